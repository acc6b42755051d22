"""Heads map a representation to what a loss contrasts or classifies. A head is called as `head(features, train)`."""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from contrastive_jax.errors import InputError
from contrastive_jax.models.batch_norm import BatchNorm
from contrastive_jax.models.fields import check_choice
from contrastive_jax.models.layers import Linear, torch_linear
from contrastive_jax.models.outputs import FINAL, Outputs

Exits = dict[str, Float[Array, "batch _"]]


class ProjectionHead(nn.Module):
    """MLP `[batch, features] -> [batch, dim]`: hidden layers with ReLU, then a linear layer.

    Outputs are not normalised; methods do that. The published heads:

    - SupCon, SelfCon (their CIFAR code): the defaults.
    - MCL: `hidden=128`.
    - SimCLR's TensorFlow code: `depth=3`, `hidden_norm`, `output_norm="scale"`, no biases, `kernel="normal"`.
    - SDSSL and MoCo v3: `hidden=4096`, `dim=256`, `hidden_norm`, `output_norm="plain"`, no biases; `depth` is 3 for
      the projector and 2 for the predictor. SDSSL's BYOL has `output_norm="none"`.
    - BYOL: `depth=2`, `hidden=4096`, `dim=256`, `hidden_norm`, `output_bias=False`.
    """

    dim: int = 128
    depth: int = 2
    """Number of linear layers; 1 is a linear head."""
    hidden: int = 0
    """Width of the hidden layers; 0: as wide as the representation."""
    hidden_norm: bool = False
    """BatchNorm before every ReLU."""
    output_norm: str = "none"
    """BatchNorm after the last layer: `none`, `plain` (without scale and bias), `scale` (without bias) or
    `affine`."""
    hidden_bias: bool = True
    """Whether the hidden layers have biases."""
    output_bias: bool = True
    """Whether the last layer has a bias."""
    kernel: str = "torch"
    """Initialisation: `torch`, uniform up to +-1 / sqrt(inputs), or `normal`, with deviation 0.01 and biases 0."""
    norm_group: int = 0
    """Rows that BatchNorm normalises together: 0 the global batch, -1 those of one device, g > 0 every g rows."""
    dtype: Any = jnp.float32

    def __post_init__(self):
        check_choice("head.output_norm", self.output_norm, ["none", *OUTPUT_NORMS])
        check_choice("head.kernel", self.kernel, KERNELS)
        if self.depth < 1:
            raise InputError(f"head.depth is {self.depth}: give 1 (a linear head) or more.")
        super().__post_init__()

    @nn.compact
    def __call__(self, x: Float[Array, "batch features"], train: bool = False) -> Float[Array, "batch dim"]:
        """`train` affects BatchNorm only."""
        norm = partial(BatchNorm, dtype=self.dtype, group=self.norm_group)
        linear = partial(Linear, dtype=self.dtype, **KERNELS[self.kernel])
        hidden = self.hidden or x.shape[-1]
        for i in range(1, self.depth):
            x = linear(hidden, use_bias=self.hidden_bias, name=f"hidden{i}")(x)
            x = nn.relu(norm(name=f"norm{i}")(x, train) if self.hidden_norm else x)
        x = linear(self.dim, use_bias=self.output_bias, name="output")(x)
        if self.output_norm == "none":
            return x
        return norm(name="output_norm", **OUTPUT_NORMS[self.output_norm])(x, train)


class MultiExit(nn.Module):
    """An encoder with a separate head on every exit.

    Returns the representations and the heads' outputs, each as `{exit: [batch, dim]}` in float32. Neither is
    normalised.
    """

    encoder: nn.Module
    head: nn.Module
    """A head to copy for every exit."""

    @nn.compact
    def __call__(self, images: Float[Array, "batch height width channel"], train: bool):
        outputs: Outputs = self.encoder(images, train)
        projected = {
            name: self.head.clone(name=f"head_{name}", parent=self)(features, train).astype(jnp.float32)
            for name, features in outputs.exits.items()
        }
        return outputs.exits, projected


class ExitHeads(nn.Module):
    """One head per exit: `{exit: [batch, features]}` -> `{exit: [batch, dim]}`, in float32.

    These are SDSSL's projectors and predictors, one of each for every layer of a ViT. A call stacks the heads of
    equal shape and evaluates them in one batched product. Their variables stay separate (`layer01/hidden1/...`), so
    weight decay, LARS and checkpoints see individual heads.
    """

    inner_head: ProjectionHead
    """The head of every exit but the last."""
    final_head: ProjectionHead
    """The head of the exit `final`."""

    @nn.compact
    def __call__(self, features: Exits, train: bool) -> Exits:
        # Initialisation needs shapes only, and in evaluation mode BatchNorm takes any number of rows.
        train = train and not self.is_initializing()
        projected = {}
        for head, names in self._alike(features):
            own = [self._variables(name, head, features[name]) for name in names]
            stacked = jax.tree.map(lambda *heads: jnp.stack(heads), *[read(variables) for variables in own])
            x = jnp.stack([features[name] for name in names])
            call = partial(head.apply, train=train, mutable=["batch_stats"])
            z, state = jax.vmap(call)(stacked, x)
            for i, name in enumerate(names):
                projected[name] = z[i].astype(jnp.float32)
                if train and "batch_stats" in state:
                    own[i]["batch_stats"].value = jax.tree.map(
                        lambda leaf, i=i: leaf[i], state["batch_stats"]
                    )
        return {name: projected[name] for name in features}

    def _alike(self, features: Exits) -> list[tuple[ProjectionHead, list[str]]]:
        """Every distinct head with the names of the exits that it evaluates together."""
        groups: dict[Any, list[str]] = {}
        for name, x in features.items():
            head = (self.final_head if name == FINAL else self.inner_head).clone(name=None, parent=None)
            groups.setdefault((head, x.shape), []).append(name)
        return [(head, names) for (head, _), names in groups.items()]

    def _variables(self, name: str, head: ProjectionHead, x: Array) -> dict[str, Any]:
        """One head's variables by collection, created under its exit's name if they are missing."""
        fresh = partial(head.init, x=x, train=False)
        own = {"params": self.param(name, lambda key: fresh(key)["params"])}
        if head.hidden_norm or head.output_norm != "none":
            own["batch_stats"] = self.variable(
                "batch_stats", name, lambda: fresh(jax.random.key(0))["batch_stats"]
            )
        return own


def read(variables: dict[str, Any]) -> dict[str, Any]:
    """The arrays in the result of `_variables`."""
    return {name: tree.value if isinstance(tree, nn.Variable) else tree for name, tree in variables.items()}


OUTPUT_NORMS = {
    "plain": {"use_scale": False, "use_bias": False},
    "scale": {"use_bias": False},
    "affine": {},
}
KERNELS = {
    "torch": {"kernel_init": torch_linear},
    "normal": {"kernel_init": nn.initializers.normal(0.01), "bias_init": nn.initializers.zeros},
}
