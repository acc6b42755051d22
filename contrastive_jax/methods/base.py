"""The contract of a method, and the base class of methods with one encoder.

A method is a frozen dataclass: its fields are the hyper-parameters that a config may set. Everything that training
changes is passed in and returned, in three parts:

    params        what the optimizer updates
    collections   what the networks keep besides: BatchNorm statistics, frozen arrays (`Collections`)
    state         what the algorithm remembers: a teacher, a queue, a memory bank; a NamedTuple declared beside it

Only `embed` runs networks and only `embed` returns new collections; only `loss` and `after_update` return a new
state. That is why cached-gradient micro-batches work for every method: `embed` is called on parts of the batch and
the collections that it changed are averaged over the parts, while `loss` sees the embeddings of the whole batch.
"""

import abc
import dataclasses
from typing import Any, ClassVar, NamedTuple

import flax.linen as nn
import jax
from jaxtyping import Array, Float, Int

from contrastive_jax.errors import InputError
from contrastive_jax.losses import l2_normalize
from contrastive_jax.models.apply import apply_eval, apply_train
from contrastive_jax.models.heads import MultiExit

Tree = Any
"""A pytree of arrays."""
Batch = dict[str, Array]
"""`view` [batch, view, height, width, channel] float32, `label` [batch] int32, `index` [batch] (the example's row
in the training set); `partner` and `share` [batch] where the augmentation mixes images; `view_<size>` [batch, extra
view, size, size, channel] for each group of its extra views."""
Metrics = dict[str, Float[Array, ""]]
Views = Float[Array, "batch view height width channel"]
Images = Float[Array, "batch height width channel"]
Exits = dict[str, Float[Array, "batch _"]]


class Collections(NamedTuple):
    """Linen collections by name (`batch_stats`, `frozen`) of every network that a method holds."""

    network: Tree
    """Collections of the trained networks, whose parameters are `params`."""
    teacher: Tree = {}
    """Collections of a teacher, whose parameters are in the method's state."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Method(abc.ABC):
    """What an algorithm tells the train step, which knows no algorithm. All functions are pure and traceable.

    The program fills in these fields where a method declares them; a config cannot set them: `encoder` (the network
    that the config names), `head` (the projection head), `num_classes` and `labels` (of the training set), `examples`
    (their number), `batch_size` (the global one), `total_steps` (of the run).
    """

    encoder: nn.Module
    """Images to named blocks and exits (`models.outputs`)."""

    views: ClassVar[int] = 2
    """Augmented views per image. A field instead, where a config may choose."""
    needs_labels: ClassVar[bool] = False
    """The method reads `batch["label"]`: refused on a data set without labels."""
    accepts_mixed_labels: ClassVar[bool] = False
    """The method reads `partner` and `share`: other methods refuse augmentations that mix images."""
    accepts_extra_views: ClassVar[bool] = False
    """The method reads `batch["view_96"]` and so on: other methods refuse augmentations with multi-crop views."""
    shuffles: ClassVar[bool] = False
    """`embed` reorders the batch (shuffling BatchNorm), so micro-batches see other groups than the whole batch."""
    stacked: ClassVar[bool] = False
    """`params` is a `Stack` of networks, on each of which the optimizer acts separately."""

    @abc.abstractmethod
    def init(self, key: Array, views: Views) -> tuple[Tree, Collections, Tree]:
        """Fresh `params`, `collections` and `state`. views: a few images, for their shape."""

    @abc.abstractmethod
    def embed(
        self, params: Tree, collections: Collections, state: Tree, batch: Batch, key: Array
    ) -> tuple[Tree, Collections]:
        """Runs every network: a pytree of embeddings, batch first, and the new collections.

        Collections that no network changed are returned as they came. With micro-batches, every leaf that was replaced
        becomes its mean over the parts.
        """

    @abc.abstractmethod
    def loss(
        self, embeddings: Tree, state: Tree, batch: Batch, step: Int[Array, ""], key: Array
    ) -> tuple[Float[Array, ""], Tree, Metrics]:
        """The loss of the whole batch from its embeddings, the new state, and what to log."""

    def after_update(self, params: Tree, state: Tree, step: Int[Array, ""]) -> Tree:
        """The state after the optimizer's update (an EMA teacher moves here)."""
        return state

    @abc.abstractmethod
    def features(
        self, params: Tree, collections: Collections, images: Images
    ) -> dict[str, Float[Array, "batch dim"]]:
        """Representations of every exit in evaluation mode, the backbone's (`final`) last."""

    def logits(
        self, params: Tree, collections: Collections, images: Images
    ) -> dict[str, Float[Array, "batch class"]]:
        """Logits of the classifiers that the method itself trains, in evaluation mode, under the names of their exits.

        Empty, as here, for a method that trains none.
        """
        return {}

    def of_teacher(self, params: Tree, collections: Collections, state: Tree) -> tuple[Tree, Collections]:
        """The teacher's parameters and collections, which `features` takes in place of the student's.

        Raises:
          InputError: the method has no teacher, or one without the student's exits.
        """
        raise InputError("this method has no teacher to judge: choose judged=student.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class OneEncoder(Method):
    """One encoder with a projection head on every exit. Subclasses add `loss`; their state is empty by default."""

    head: nn.Module
    """A head to copy: every exit gets one like it."""

    @property
    def network(self) -> nn.Module:
        """Images to representations and head outputs, `({exit: [n, features]}, {exit: [n, dim]})`."""
        return MultiExit(self.encoder, self.head)

    def init(self, key: Array, views: Views) -> tuple[Tree, Collections, Tree]:
        collections = dict(self.network.init(key, views[:, 0], True))
        return collections.pop("params"), Collections(collections), ()

    def embed(
        self, params: Tree, collections: Collections, state: Tree, batch: Batch, key: Array
    ) -> tuple[Tree, Collections]:
        """Normalised head outputs `{exit: [batch, view, dim]}`."""
        (_, z), network = self.forward(params, collections.network, batch["view"], key)
        return jax.tree.map(l2_normalize, z), collections._replace(network=network)

    def forward(
        self, params: Tree, network: Tree, views: Views, key: Array
    ) -> tuple[tuple[Tree, Tree], Tree]:
        """Representations and head outputs in train mode, both `{exit: [batch, view, dim]}`, and new collections.

        All views pass the network as one batch, so BatchNorm sees them together, as in the authors' code.
        """
        batch, n_views = views.shape[:2]
        images = views.reshape(-1, *views.shape[2:])
        found, network = apply_train(self.network, params, network, images, key=key)
        return jax.tree.map(lambda x: x.reshape(batch, n_views, -1), found), network

    def features(
        self, params: Tree, collections: Collections, images: Images
    ) -> dict[str, Float[Array, "batch dim"]]:
        return self.outputs(params, collections, images)[0]

    def outputs(self, params: Tree, collections: Collections, images: Images) -> tuple[Exits, Exits]:
        """Representations and head outputs in evaluation mode."""
        return apply_eval(self.network, params, collections.network, images)
