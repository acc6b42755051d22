"""`python -m contrastive_jax`, or `contrastive-jax`: lists the commands, or runs one."""

import sys
from collections.abc import Sequence

from contrastive_jax import commands
from contrastive_jax.errors import InputError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command that the first argument names; returns its exit status.

    arguments: the words after the program's name; None: those of this process.
    """
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name in ("--help", "-h", "help"):
        print(overview())
        return 0
    try:
        command = commands.load(name)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return command.main(rest)


def overview() -> str:
    """The list of commands, with a line each."""
    names = commands.names()
    width = max(map(len, names))
    lines = [f"  {name:{width}}  {commands.summary(name)}" for name in names]
    return "\n".join(
        [
            f"Usage: {commands.PROGRAM} COMMAND [--flag=value ...]",
            "",
            *lines,
            "",
            f"{commands.PROGRAM} COMMAND --help shows a command's flags, and every field of its config.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
