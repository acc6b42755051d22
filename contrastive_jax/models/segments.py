"""Segments of a network, with which several networks share a trunk.

With `until="block1"` a network stops after that block. With `after="block1"` its input is the map of that block, and
it computes the rest. Parameters have the same names in every segment.
"""

from collections.abc import Callable, Iterable, Mapping

from jaxtyping import Array, Float

from contrastive_jax.errors import InputError, nearest

Maps = Float[Array, "_ _ _ _"]  # batch, height, width, channel; sizes differ between blocks
Step = Callable[[Maps], Maps]


def walk(x: Maps, stem: Step, blocks: Mapping[str, Step], after: str, until: str) -> dict[str, Maps]:
    """Runs the blocks between `after` and `until` and returns their maps by name.

    Args:
        x: The network's input, or the map of the block `after`.
        stem: Runs before the first block.
        blocks: In order of depth.
        after: The block whose map is `x`; it is in the result, too. Empty: the network starts at its stem.
        until: The last block to run. Empty: all that remain.
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
    """Raises `InputError` unless `after` precedes `until` and no sub-network branches off before `after`.

    None of them may be the last of `blocks`, which is the backbone's exit. A segment with `until` has no exits, so
    its sub-networks may branch off anywhere.
    """
    blocks = list(blocks)
    for field, names in {"after": [after], "until": [until], "subnetworks": list(subnetworks)}.items():
        for name in filter(None, names):
            if name not in blocks[:-1]:
                raise InputError(f"network.{field} holds '{name}': {nearest(name, blocks[:-1])}")
    if not after:
        return
    if until and blocks.index(until) <= blocks.index(after):
        raise InputError(f"network.until is '{until}': give a block after network.after, '{after}'.")
    early = [name for name in subnetworks if blocks.index(name) < blocks.index(after)]
    if early and not until:
        raise InputError(
            f"network.subnetworks holds '{early[0]}', but the network begins after '{after}': remove it, or set"
            " network.after to an earlier block."
        )


def block_names(count: int) -> tuple[str, ...]:
    """`("block1", ..., f"block{count}")`."""
    return tuple(f"block{i}" for i in range(1, count + 1))


def position(block: str) -> int:
    """Number of a block: 2 for `block2`."""
    return int(block.removeprefix("block"))


def stride(stage: int) -> int:
    """Stride of a block, counted from 0: the first keeps the resolution, the others halve it."""
    return 1 if stage == 0 else 2
