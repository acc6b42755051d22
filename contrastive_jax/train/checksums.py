"""A checksum per array, to notice a checkpoint whose bits changed on disk.

Orbax's files have checksums for their indices but not for the arrays' bytes. Ours are sums of hashed words modulo 2^32.
The order of such a sum does not matter, so it is the same on any mesh and any number of processes, and is taken where
the array is.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Shaped, UInt32

BLOCK = 2**18
"""Words that the host hashes at a time: what it computes with stays in the processor's cache."""


def checksums(tree: Any) -> dict[str, int]:
    """The checksum of every array by its path (`params/encoder/stem/kernel`).

    A changed word always changes the sum of its array; changes of several words do so but for one case in 2^32. On
    several processes, all of them must call this.
    """
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    sums = jax.device_get([checksum(leaf) for _, leaf in leaves])
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): int(found)
        for (path, _), found in zip(leaves, sums, strict=True)
    }


def checksum(array: Array | np.ndarray) -> int | UInt32[Array, ""]:
    """Sum over an array's words of a bijective hash of (word + odd constant * position)."""
    on_host = isinstance(array, np.ndarray | np.generic) or (
        jax.default_backend() == "cpu" and array.is_fully_addressable
    )
    return of_host(np.asarray(array)) if on_host else of_devices(array)


def of_host(array: Shaped[np.ndarray, "..."]) -> int:
    """The checksum of an array that the host can read: nothing to compile."""
    words = np.ascontiguousarray(array).reshape(-1).view(f"u{word_size(array.dtype)}")
    total = 0
    for first in range(0, len(words), BLOCK):
        block = words[first : first + BLOCK].astype(np.uint32)
        position = np.arange(first, first + len(block), dtype=np.uint64).astype(np.uint32)
        total += int(np.sum(mixed(block + position * STRIDE), dtype=np.uint64))
    return total % 2**32


@jax.jit
def of_devices(array: Shaped[Array, "..."]) -> UInt32[Array, ""]:
    """The checksum of an array on the devices of any processes, where it stays."""
    unsigned = {1: jnp.uint8, 2: jnp.uint16, 4: jnp.uint32}[word_size(array.dtype)]
    if array.dtype == jnp.bool_:
        array = array.astype(jnp.uint8)
    words = lax.bitcast_convert_type(array, unsigned).astype(jnp.uint32)  # an axis more for 8 bytes
    position = jnp.zeros((), jnp.uint32)
    for axis, size in enumerate(words.shape):  # no reshape, which would gather a sharded array
        position = position * np.uint32(size % 2**32) + lax.broadcasted_iota(jnp.uint32, words.shape, axis)
    return jnp.sum(mixed(words + position * STRIDE), dtype=jnp.uint32)


STRIDE = np.uint32(0x9E3779B9)


def word_size(dtype: np.dtype) -> int:
    """Bytes of the words that an array of this type is read as."""
    return min(4, dtype.itemsize)


def mixed(word: Any) -> Any:
    """A bijection of 32-bit words in which every bit depends on every other: the finalizer of MurmurHash3."""
    word = (word ^ (word >> 16)) * np.uint32(0x85EBCA6B)
    word = (word ^ (word >> 13)) * np.uint32(0xC2B2AE35)
    return word ^ (word >> 16)
