"""Parts of a network: the blocks between `after` and `until`, so that several networks can share a trunk.

With `until="block1"` a network stops behind that block, with `after="block1"` its input is that block's map and
it computes the rest. Parameter names do not depend on either.
"""

from collections.abc import Callable, Iterable, Mapping

from jaxtyping import Array, Float

from contrastive_jax.errors import InputError, nearest

Maps = Float[Array, "_ _ _ _"]  # batch, height, width, channel: those of every block
Step = Callable[[Maps], Maps]


def walk(x: Maps, stem: Step, blocks: Mapping[str, Step], after: str, until: str) -> dict[str, Maps]:
    """Maps of the blocks from `after` (the input itself, no stem) or the first to `until` or the last.

    `blocks` are in depth order; `""` stands for the network's own beginning and end.
    """
    names = list(blocks)
    begin = names.index(after) + 1 if after else 0
    end = names.index(until) + 1 if until else len(names)
    maps = {after: x} if after else {}
    x = x if after else stem(x)
    for name in names[begin:end]:
        x = maps[name] = blocks[name](x)
    return maps


def check_segment(blocks: Iterable[str], after: str, until: str, subnetworks: Iterable[str]) -> None:
    """Raises `InputError` unless `after` lies before `until` and every sub-network leaves behind `after`.

    Neither may be the last of `blocks`, which is the backbone's own exit. A part with `until` has no exits.
    """
    blocks = list(blocks)
    for field, names in {"after": [after], "until": [until], "subnetworks": list(subnetworks)}.items():
        for name in filter(None, names):
            if name not in blocks[:-1]:
                raise InputError(f"network.{field} holds '{name}': {nearest(name, blocks[:-1])}")
    if not after:
        return
    if until and blocks.index(until) <= blocks.index(after):
        raise InputError(f"network.until is '{until}': it must lie behind network.after '{after}'.")
    early = [name for name in subnetworks if blocks.index(name) < blocks.index(after)]
    if early and not until:
        raise InputError(
            f"network.subnetworks holds '{early[0]}', which would leave before '{after}', where this part"
            " of the network begins."
        )


def block_names(count: int) -> tuple[str, ...]:
    """`block1` to `block<count>`."""
    return tuple(f"block{i}" for i in range(1, count + 1))


def position(block: str) -> int:
    """2 for `block2`."""
    return int(block.removeprefix("block"))


def stride(stage: int) -> int:
    """The first block (0) keeps the resolution, every later one halves it."""
    return 1 if stage == 0 else 2
