"""Vision transformer as MoCo v3 and SDSSL train it (Chen, Xie, He 2021; Jang et al. 2022, Sec. 4.1).

Position embeddings are fixed (2-D sin-cos) or learned, the patch projection is frozen or learned, and layers are
pre-normalised. The class token of any layer, passed through the final LayerNorm, is an exit (`layer01`, ...). These
exits are SDSSL's representations.

A frozen patch projection is not a parameter. It is in the collection `frozen` of the network's variables, so it has
no gradient, no weight decay and no optimizer state, but checkpoints contain it.
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from contrastive_jax.errors import InputError
from contrastive_jax.models.fields import check_choice
from contrastive_jax.models.outputs import FINAL, Outputs

Tokens = Float[Array, "batch token dim"]
FROZEN = "frozen"
"""Collection of the variables that never change."""


class ViT(nn.Module):
    """Images `[batch, height, width, channel]` of any size that is a multiple of the patch -> `Outputs`.

    `blocks["layer01"]` and so on are the patch tokens after each layer, as maps `[batch, height / patch,
    width / patch, width]`, without the final LayerNorm.
    """

    patch: int = 16
    """Side of a square patch in pixels. 2, 4 or 8 suit images of 32 x 32."""
    width: int = 384
    """Features of a token."""
    depth: int = 12
    """Number of layers."""
    heads: int = 12
    """Attention heads per layer."""
    subnetworks: tuple[str, ...] = ()
    """Layers whose class token is an exit as well, e.g. `("layer01", "layer06")`. These exits have no parameters."""
    projection: str = "frozen"
    """How patches are embedded. `frozen`: by random weights that are never trained. `learned`: by parameters."""
    positions: str = "sincos"
    """`sincos`: fixed, computed for every grid. `learned`: a parameter, as in most published weights; if its grid is
    square, it is resized (bicubic) to other grids."""
    drop_path: float = 0.0
    """Stochastic depth: the rate at which an example skips a branch of the last layer. It grows linearly from 0 at the
    first layer."""
    norm_group: int = 0
    """No effect, because a ViT has no BatchNorm. All networks have this field."""
    attention: str = "xla"
    """`xla`: runs everywhere. `cudnn`: fused, for GPUs and bfloat16."""
    dtype: Any = jnp.float32

    def __post_init__(self):
        check_choice("network.projection", self.projection, ("frozen", "learned"))
        check_choice("network.positions", self.positions, ("sincos", "learned"))
        check_choice("network.attention", self.attention, ("xla", "cudnn"))
        for name in self.subnetworks:
            check_choice("network.subnetworks", name, [layer_name(i) for i in range(1, self.depth)])
        if self.width % 4 or self.width % self.heads:
            raise InputError(
                f"network.width is {self.width}: give a multiple of 4 and of network.heads, {self.heads}."
            )
        if not 0 <= self.drop_path < 1:
            raise InputError(f"network.drop_path is {self.drop_path}: give a rate in [0, 1).")
        super().__post_init__()

    @nn.compact
    def __call__(self, images: Float[Array, "batch height width channel"], train: bool) -> Outputs:
        rows, columns = grid(images.shape[1:3], self.patch)
        x = PatchEmbedding(self.patch, self.width, self.projection, self.dtype, name="patch")(images)
        token = self.param("cls_token", nn.initializers.normal(1e-6), (1, 1, self.width))
        token = jnp.broadcast_to(token.astype(self.dtype), (len(x), 1, self.width))
        x = jnp.concatenate([token, x], axis=1) + jnp.asarray(self._positions(rows, columns), self.dtype)
        norm = nn.LayerNorm(epsilon=1e-6, use_fast_variance=False, dtype=jnp.float32, name="norm")
        blocks, exits = {}, {}
        for i in range(1, self.depth + 1):
            name, rate = layer_name(i), self.drop_path * (i - 1) / max(1, self.depth - 1)
            x = Layer(self.heads, rate, self.attention, self.dtype, name=name)(x, train)
            blocks[name] = x[:, 1:].reshape(len(x), rows, columns, self.width)
            if name in self.subnetworks:
                exits[name] = norm(x[:, 0])
        exits[FINAL] = norm(x[:, 0])
        return Outputs(blocks, exits)

    def _positions(self, rows: int, columns: int):
        """Position embeddings of the class token and the patches: [1, 1 + patch, width]."""
        if self.positions == "sincos":
            return with_class_token(sincos_positions(rows, columns, self.width))
        count = 1 + rows * columns
        if self.has_variable("params", "pos_embed"):
            count = self.get_variable("params", "pos_embed").shape[1]
        learned = self.param("pos_embed", nn.initializers.normal(0.02), (1, count, self.width))
        return resize_positions(learned, rows, columns)


def layer_name(number: int) -> str:
    """Name of a layer, counted from 1: `layer01`."""
    return f"layer{number:02d}"


def grid(size: tuple[int, ...], patch: int) -> tuple[int, int]:
    """Rows and columns of patches in an image of `size`."""
    height, width = size
    if height % patch or width % patch or min(height, width) < patch:
        raise InputError(
            f"images of {height} x {width} pixels cannot be cut into patches of {patch} x {patch}: change"
            " network.patch or the size of the images."
        )
    return height // patch, width // patch


def sincos_positions(rows: int, columns: int, width: int) -> Float[np.ndarray, "patch width"]:
    """MoCo v3's fixed position embeddings of a grid of patches, row by row: [sin r w, cos r w, sin c w, cos c w].

    r and c count rows and columns from 0; w = 10000^(-4 k / width) for k from 0 to width / 4 - 1. In the authors' code
    the first half is named after the width; their grid is square and transposed, so it holds the row as here.
    """
    omega = 10000.0 ** (-np.arange(width // 4) / (width // 4))
    row, column = np.divmod(np.arange(rows * columns), columns)
    angles = [row[:, None] * omega[None], column[:, None] * omega[None]]
    parts = [wave(angle) for angle in angles for wave in (np.sin, np.cos)]
    return np.concatenate(parts, axis=1).astype(np.float32)


def with_class_token(patches: Float[np.ndarray, "patch width"]) -> Float[np.ndarray, "1 token width"]:
    """Adds the class token's position embedding, which is zero and comes first."""
    return np.concatenate([np.zeros((1, patches.shape[1]), np.float32), patches])[None]


def resize_positions(positions: Float[Array, "1 token width"], rows: int, columns: int):
    """Learned position embeddings for a grid of `rows` x `columns`, resized if they were learned on another one."""
    count, width = positions.shape[1] - 1, positions.shape[2]
    side = math.isqrt(count)
    if count == rows * columns and side * side != count or (side, side) == (rows, columns):
        return positions
    if side * side != count:
        raise InputError(
            f"the {count} learned positions do not form a square grid, so they cannot be resized: give images of the"
            " size they were learned on."
        )
    patches = positions[0, 1:].reshape(side, side, width)
    patches = jax.image.resize(patches, (rows, columns, width), "bicubic").reshape(1, -1, width)
    return jnp.concatenate([positions[:, :1], patches], axis=1)


class PatchEmbedding(nn.Module):
    """A linear map from each patch to a token: `[batch, patch, width]`, row by row."""

    patch: int
    width: int
    projection: str
    dtype: Any

    @nn.compact
    def __call__(self, images: Float[Array, "batch height width channel"]) -> Tokens:
        rows, columns = grid(images.shape[1:3], self.patch)
        batch, channels = len(images), images.shape[-1]
        kernel = self._weights("kernel", uniform_patch, (self.patch, self.patch, channels, self.width))
        bias = self._weights("bias", nn.initializers.zeros, (self.width,))
        x = images.astype(self.dtype).reshape(batch, rows, self.patch, columns, self.patch, channels)
        x = x.transpose(0, 1, 3, 2, 4, 5).reshape(batch, rows * columns, -1)
        return x @ kernel.astype(self.dtype).reshape(-1, self.width) + bias.astype(self.dtype)[None, None]

    def _weights(self, name, init, shape):
        if self.projection == "learned":
            return self.param(name, init, shape)
        return self.variable(FROZEN, name, lambda: init(self.make_rng("params"), shape)).value


class Layer(nn.Module):
    """Attention and MLP, each applied to a LayerNorm of its input and added to that input."""

    heads: int
    drop_path: float
    attention: Any
    dtype: Any

    @nn.compact
    def __call__(self, x: Tokens, train: bool) -> Tokens:
        norm = {"epsilon": 1e-6, "use_fast_variance": False, "dtype": self.dtype}
        # One draw per example: all its tokens pass or skip the branch together.
        drop = {"rate": self.drop_path, "broadcast_dims": (1, 2), "deterministic": not train}
        y = nn.LayerNorm(**norm, name="norm1")(x)
        y = Attention(self.heads, self.attention, self.dtype, name="attention")(y)
        x = x + nn.Dropout(**drop)(y)
        y = nn.LayerNorm(**norm, name="norm2")(x)
        return x + nn.Dropout(**drop)(MLP(self.dtype, name="mlp")(y))


class Attention(nn.Module):
    """Multi-head self-attention, with the softmax in float32."""

    heads: int
    implementation: Any
    dtype: Any

    @nn.compact
    def __call__(self, x: Tokens) -> Tokens:
        batch, tokens, width = x.shape
        qkv = nn.Dense(3 * width, kernel_init=xavier_qkv, dtype=self.dtype, name="qkv")(x)
        q, k, v = jnp.unstack(qkv.reshape(batch, tokens, 3, self.heads, -1), axis=2)
        y = jax.nn.dot_product_attention(q, k, v, implementation=self.implementation)
        return dense(width, self.dtype, "output")(y.reshape(batch, tokens, width))


class MLP(nn.Module):
    """Two linear layers with exact GELU between them, where it is four times as wide."""

    dtype: Any

    @nn.compact
    def __call__(self, x: Tokens) -> Tokens:
        y = dense(4 * x.shape[-1], self.dtype, "hidden")(x)
        return dense(x.shape[-1], self.dtype, "output")(nn.gelu(y, approximate=False))


def dense(outputs: int, dtype: Any, name: str) -> nn.Dense:
    return nn.Dense(outputs, kernel_init=nn.initializers.xavier_uniform(), dtype=dtype, name=name)


def xavier_qkv(key, shape, dtype=jnp.float32):
    """Xavier uniform for the matrices of query, key and value, which are side by side in one kernel."""
    inputs, outputs = shape
    return uniform(key, shape, math.sqrt(6 / (inputs + outputs // 3)), dtype)


def uniform_patch(key, shape):
    """Xavier uniform for the linear map from a patch to a token; `shape` is [patch, patch, channel, width]."""
    return uniform(key, shape, math.sqrt(6 / (math.prod(shape[:3]) + shape[3])))


def uniform(key, shape, bound, dtype=jnp.float32):
    return jax.random.uniform(key, shape, dtype, -bound, bound)


SIZES = {
    "tiny": {"width": 192, "heads": 6},
    "small": {"width": 384, "heads": 12},
    "base": {"width": 768, "heads": 12},
}
"""The sizes of MoCo v3 and SDSSL. In most other code `tiny` has 3 heads and `small` has 6."""
NAMED = {
    f"vit_{size}_{patch}": {**fields, "patch": patch}
    for size, fields in SIZES.items()
    for patch in (2, 4, 8, 16, 32)
}
