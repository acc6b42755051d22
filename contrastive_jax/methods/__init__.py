"""One file per training algorithm; its class has the file's name and `Method`'s functions."""

from typing import Any, Protocol, runtime_checkable

from jaxtyping import Array, Float, Int

Tree = Any
"""A pytree of arrays."""
Batch = dict[str, Array]
"""`view` [batch, view, height, width, channel] float, `label` [batch], `index` [batch]."""


@runtime_checkable
class Method(Protocol):
    """What an algorithm says to the method-blind train step. A frozen dataclass of hyper-parameters.

    `params` are what the optimizer updates. `extra` is all other state under names (BatchNorm statistics,
    teacher, queue, bank). Every function is pure and traceable.

    Two class attributes are optional: `stacked = True` says that `params` are networks stacked under `peers`, each
    for the optimizer to treat alone; `understands_mixtures = True`, that `partner` and `share` of a batch are heeded.
    """

    views: int
    """Augmented views that it wants of every image."""

    def init(self, key: Array, views: Float[Array, "batch view height width channel"]) -> tuple[Tree, Tree]:
        """Fresh `params` and `extra`."""
        ...

    def embed(self, params: Tree, extra: Tree, batch: Batch, key: Array) -> tuple[Tree, Tree]:
        """Every network pass: a pytree of embeddings, batch first, and the new `extra`."""
        ...

    def loss(
        self, embeddings: Tree, extra: Tree, batch: Batch, key: Array, step: Int[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[Tree, dict[str, Float[Array, ""]]]]:
        """Arithmetic on the embeddings of the whole batch: `loss, (extra, metrics)`."""
        ...

    def after_update(self, params: Tree, extra: Tree, step: Int[Array, ""]) -> Tree:
        """`extra` after the optimizer's step (an EMA teacher moves here)."""
        ...

    def features(
        self, params: Tree, extra: Tree, images: Float[Array, "batch height width channel"]
    ) -> dict[str, Float[Array, "batch dim"]]:
        """Representations of every exit in evaluation mode, the backbone's (`final`) last."""
        ...
