"""RandBit: channels of random bits beside the image (Chen, Luo & Li 2021, "Intriguing Properties", Sec. 4.1).

The bits compete with the image for the representation: they are computed from the image before augmentation, and no
augmentation touches them, so all views share them. The authors' notebook takes a fast hash of the encoded image
modulo 2^k. Here it is a hash of the pixels, so any data set can have bits and nothing needs to be stored.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, UInt8, UInt32


def append_bits(
    views: Float[Array, "*batch height width channel"], bits: Float[Array, "*batch bit"]
) -> Float[Array, "*batch height width more"]:
    """Appends each bit as a channel of constant value."""
    *batch, height, width, _ = views.shape
    spread = jnp.broadcast_to(bits[..., None, None, :], (*batch, height, width, bits.shape[-1]))
    return jnp.concatenate([views, spread.astype(views.dtype)], axis=-1)


def random_bits(
    images: UInt8[Array, "batch height width channel"], bits: int
) -> Float[Array, "batch {bits}"]:
    """The last `bits` bits of each image's hash, as 0.0 or 1.0."""
    return bits_of(image_hash(images), bits)


def bits_of(
    integer: Int[Array, "*batch"] | UInt32[Array, "*batch"], bits: int
) -> Float[Array, "*batch {bits}"]:
    """The last `bits` bits of an integer, least significant first."""
    place = jnp.arange(bits, dtype=integer.dtype).reshape((1,) * integer.ndim + (bits,))
    return ((integer[..., None] >> place) & 1).astype(jnp.float32)


def image_hash(images: UInt8[Array, "batch height width channel"]) -> UInt32[Array, " batch"]:
    """A 32-bit hash per image: a sum of the pixels with fixed odd pseudo-random weights modulo 2^32, then mixed.

    Two different images collide with a probability of at most about 2^-25 (multilinear hashing; pixels differ by
    less than 2^8).
    """
    pixels = images.reshape(len(images), -1).astype(jnp.uint32)
    weights = mix(jnp.arange(pixels.shape[1], dtype=jnp.uint32)) | 1
    return mix(jnp.sum(pixels * weights[None, :], axis=1, dtype=jnp.uint32))


def mix(x: UInt32[Array, "*n"]) -> UInt32[Array, "*n"]:
    """A bijection of the 32-bit integers in which each bit depends on every bit (MurmurHash3's finalizer)."""
    x = x + jnp.uint32(0x9E3779B9)  # otherwise 0 maps to 0
    x = (x ^ (x >> 16)) * jnp.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * jnp.uint32(0xC2B2AE35)
    return x ^ (x >> 16)
