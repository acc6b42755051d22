"""SupCon with other anchors or other positives: SupContrast's contrast mode 'one' and its mask, and several labels."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Shaped

from contrastive_jax.losses._checks import checked
from contrastive_jax.similarity import PairMask, Rows, Scalar, l_in, l_out


@checked("z")
def supcon_one(
    z: Float[Array, "sample view dim"], label: Int[Array, " sample"], *, tau: Scalar, impl: str = "auto"
) -> Float[Array, "sample 1"]:
    """L_out with SupContrast's contrast mode 'one': only the first view is an anchor; contrasts are all views.

    Args:
      z: unit-length embeddings.
      label: class of each sample.
      tau: temperature.
      impl: as in `supcon`.

    Returns:
      The loss of each first view.

    Example:
      >>> z, label = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 2, 8))), jnp.array([0, 0, 1, 1])
      >>> first = losses.supcon(z, label, tau=0.1)[:, :1]
      >>> bool(jnp.allclose(losses.variants.supcon_one(z, label, tau=0.1), first))
      True
    """
    rows, anchors = Rows.of_views(z, label), Rows.of_views(z, label, slice(1))
    return l_out(anchors, rows, tau=tau, impl=impl)[:, None]


@checked("z")
def supcon_in_one(
    z: Float[Array, "sample view dim"], label: Int[Array, " sample"], *, tau: Scalar, impl: str = "auto"
) -> Float[Array, "sample 1"]:
    """L_in with contrast mode 'one', in analogy to `supcon_one`.

    Args:
      z: unit-length embeddings.
      label: class of each sample.
      tau: temperature.
      impl: as in `supcon`.

    Returns:
      The loss of each first view.

    Example:
      >>> z, label = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 2, 8))), jnp.array([0, 0, 1, 1])
      >>> losses.variants.supcon_in_one(z, label, tau=0.1).shape
      (4, 1)
    """
    rows, anchors = Rows.of_views(z, label), Rows.of_views(z, label, slice(1))
    return l_in(anchors, rows, tau=tau, impl=impl)[:, None]


@checked("z")
def supcon_masked(
    z: Float[Array, "sample view dim"],
    positive: Shaped[Array, "sample sample"],
    *,
    tau: Scalar,
    impl: str = "auto",
) -> Float[Array, "sample view"]:
    """L_out with an explicit matrix of positives, SupContrast's `mask`. Dense only.

    Args:
      z: unit-length embeddings.
      positive: row i names the positives of sample i by 0 and 1, or by weights >= 0; it may be asymmetric. A row is
        never its own positive.
      tau: temperature.
      impl: "auto" or "dense".

    Returns:
      The loss of each anchor.

    Example:
      >>> z, label = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 2, 8))), jnp.array([0, 0, 1, 1])
      >>> loss = losses.variants.supcon_masked(z, label[:, None] == label[None, :], tau=0.1)
      >>> bool(jnp.allclose(loss, losses.supcon(z, label, tau=0.1)))
      True
    """
    rows = Rows.of_views(z, jnp.arange(z.shape[0]))
    mask = PairMask(positive=_of_views(positive, z.shape[1], z.shape[1], z.dtype))
    return l_out(rows, rows, tau=tau, mask=mask, impl=impl).reshape(z.shape[:2])


@checked("z")
def supcon_masked_one(
    z: Float[Array, "sample view dim"],
    positive: Shaped[Array, "sample sample"],
    *,
    tau: Scalar,
    impl: str = "auto",
) -> Float[Array, "sample 1"]:
    """`supcon_masked` with SupContrast's contrast mode 'one'.

    Args:
      z: unit-length embeddings.
      positive: as in `supcon_masked`.
      tau: temperature.
      impl: "auto" or "dense".

    Returns:
      The loss of each first view.

    Example:
      >>> z = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 2, 8)))
      >>> losses.variants.supcon_masked_one(z, jnp.eye(4), tau=0.1).shape
      (4, 1)
    """
    instance = jnp.arange(z.shape[0])
    rows, anchors = Rows.of_views(z, instance), Rows.of_views(z, instance, slice(1))
    mask = PairMask(positive=_of_views(positive, 1, z.shape[1], z.dtype))
    return l_out(anchors, rows, tau=tau, mask=mask, impl=impl)[:, None]


@checked("z")
def supcon_multilabel(
    z: Float[Array, "sample view dim"],
    labels: Shaped[Array, "sample label"],
    *,
    tau: Scalar,
    impl: str = "auto",
) -> Float[Array, "sample view"]:
    """L_out for several labels per sample: a pair is positive with the weight of its overlap. Dense only.

    The weight is the share of labels that two samples have in common (Jaccard): 1 for equal sets, as in `supcon` for
    single labels; 0 for disjoint ones. Other views of a sample always count 1. The papers have no such form: it is
    ours.

    Args:
      z: unit-length embeddings.
      labels: multi-hot; what is above 0 is set.
      tau: temperature.
      impl: "auto" or "dense".

    Returns:
      The loss of each anchor.

    Example:
      >>> z, label = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 2, 8))), jnp.array([0, 0, 1, 1])
      >>> loss = losses.variants.supcon_multilabel(z, jax.nn.one_hot(label, 2), tau=0.1)
      >>> bool(jnp.allclose(loss, losses.supcon(z, label, tau=0.1)))
      True
    """
    has = (labels > 0).astype(jnp.result_type(jnp.float32, z))
    common = has @ has.T
    either = jnp.sum(has, axis=1)[:, None] + jnp.sum(has, axis=1)[None, :] - common
    overlap = jnp.where(either > 0, common / jnp.maximum(either, 1), 0)
    own = jnp.eye(z.shape[0], dtype=has.dtype)
    return supcon_masked(z, jnp.maximum(overlap, own), tau=tau, impl=impl)


def _of_views(positive, anchor_views: int, views: int, dtype):
    """The matrix between samples as one between sample-major rows."""
    weight = positive.astype(jnp.result_type(jnp.float32, dtype))
    return jnp.repeat(jnp.repeat(weight, anchor_views, axis=0), views, axis=1)
