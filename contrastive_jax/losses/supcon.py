"""Supervised contrastive losses: Khosla et al., 2020, "Supervised Contrastive Learning".

Embeddings are L2-normalised by the caller, as the paper's projection network does. Values follow Eq. 2 with
its 1/|P(i)|, without the factor tau (or tau/0.07) that the released codes multiply in: that is `loss_scale`.
SupCon-S (SelfCon's name) is `supcon` with one view and `reduce.mean_drop`.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, Shaped

from contrastive_jax.similarity import PairMask, Rows, Scalar, l_in, l_out, read, row_stats


def supcon(
    z: Float[Array, "sample view dim"], label: Int[Array, " sample"], *, tau: Scalar, impl: str = "auto"
) -> Float[Array, "sample view"]:
    """L_out (Eq. 2): `-(1/|P(i)|) sum_{p in P(i)} log( e^{z_i.z_p/tau} / sum_{a != i} e^{z_i.z_a/tau} )`.

    Every view of every sample is an anchor; its positives are all other rows of its class.
    """
    rows = Rows.of_views(z, label)
    return l_out(rows, rows, tau=tau, impl=impl).reshape(z.shape[:2])


def supcon_in(
    z: Float[Array, "sample view dim"], label: Int[Array, " sample"], *, tau: Scalar, impl: str = "auto"
) -> Float[Array, "sample view"]:
    """L_in (Eq. 3): `-log( (1/|P(i)|) sum_{p in P(i)} e^{z_i.z_p/tau} / sum_{a != i} e^{z_i.z_a/tau} )`.

    Never more than `supcon` (Jensen).
    """
    rows = Rows.of_views(z, label)
    return l_in(rows, rows, tau=tau, impl=impl).reshape(z.shape[:2])


def supcon_one(
    z: Float[Array, "sample view dim"], label: Int[Array, " sample"], *, tau: Scalar, impl: str = "auto"
) -> Float[Array, "sample 1"]:
    """L_out with contrast mode 'one': only the first view is an anchor; contrasts are all views."""
    rows, anchors = Rows.of_views(z, label), Rows.of_views(z, label, slice(1))
    return l_out(anchors, rows, tau=tau, impl=impl)[:, None]


def supcon_in_one(
    z: Float[Array, "sample view dim"], label: Int[Array, " sample"], *, tau: Scalar, impl: str = "auto"
) -> Float[Array, "sample 1"]:
    """L_in with contrast mode 'one'."""
    rows, anchors = Rows.of_views(z, label), Rows.of_views(z, label, slice(1))
    return l_in(anchors, rows, tau=tau, impl=impl)[:, None]


def supcon_masked(
    z: Float[Array, "sample view dim"],
    positive: Shaped[Array, "sample sample"],
    *,
    tau: Scalar,
    impl: str = "auto",
) -> Float[Array, "sample view"]:
    """L_out with an explicit matrix of positives, row i those of sample i; it may be asymmetric.

    Entries are 0 and 1, or weights >= 0. A row is never its own positive. Dense only.
    """
    rows = Rows.of_views(z, jnp.arange(z.shape[0]))
    mask = PairMask(positive=_of_views(positive, z.shape[1], z.shape[1], z.dtype))
    return l_out(rows, rows, tau=tau, mask=mask, impl=impl).reshape(z.shape[:2])


def supcon_masked_one(
    z: Float[Array, "sample view dim"],
    positive: Shaped[Array, "sample sample"],
    *,
    tau: Scalar,
    impl: str = "auto",
) -> Float[Array, "sample 1"]:
    """`supcon_masked` with contrast mode 'one'."""
    instance = jnp.arange(z.shape[0])
    rows, anchors = Rows.of_views(z, instance), Rows.of_views(z, instance, slice(1))
    mask = PairMask(positive=_of_views(positive, 1, z.shape[1], z.dtype))
    return l_out(anchors, rows, tau=tau, mask=mask, impl=impl)[:, None]


def supcon_multilabel(
    z: Float[Array, "sample view dim"],
    labels: Shaped[Array, "sample label"],
    *,
    tau: Scalar,
    impl: str = "auto",
) -> Float[Array, "sample view"]:
    """L_out for several labels a sample (multi-hot): a pair is positive with the weight of its overlap.

    The weight is the share of labels two samples have in common (Jaccard): 1 for equal sets, as `supcon`
    has it for single labels; 0 for disjoint ones. Other views of a sample always count 1. Dense only.
    """
    has = (labels > 0).astype(jnp.result_type(jnp.float32, z))
    common = has @ has.T
    either = jnp.sum(has, axis=1)[:, None] + jnp.sum(has, axis=1)[None, :] - common
    overlap = jnp.where(either > 0, common / jnp.maximum(either, 1), 0)
    own = jnp.eye(z.shape[0], dtype=has.dtype)
    return supcon_masked(z, jnp.maximum(overlap, own), tau=tau, impl=impl)


def supcon_bank(
    z: Float[Array, "sample view dim"],
    label: Int[Array, " sample"],
    bank: Float[Array, "slot dim"],
    bank_label: Int[Array, " slot"],
    *,
    tau: Scalar,
    impl: str = "auto",
) -> Float[Array, "sample view"]:
    """L_out whose contrasts are the batch and a memory bank of earlier embeddings with their labels.

    Bank entries are never anchors and carry no gradient; an entry of the anchor's class is a positive, one
    with label -1 always a negative.
    """
    batch = Rows.of_views(z, label)
    contrasts = batch.joined(Rows.of_keys(lax.stop_gradient(bank), bank_label))
    return l_out(batch, contrasts, tau=tau, impl=impl).reshape(z.shape[:2])


def n_pairs(
    z: Float[Array, "sample view dim"], label: Int[Array, " sample"], *, tau: Scalar = 1.0, impl: str = "auto"
) -> Float[Array, "sample view"]:
    """N-pairs (Eq. 27): one positive, from another sample of the class; `lse_i - z_i.z_{k(i)}/tau`.

    k(i) is the next sample of the class in batch order (the first follows the last), seen in the same view;
    the denominator is that of Eq. 27, all rows but the anchor's. A class of one has no positive: 0.
    """
    partner = _next_of_class(label)
    rows, want = Rows.of_views(z, label), ("lse",)
    (lse,) = read(row_stats(rows, rows, tau=tau, want=want, impl=impl), want)
    wide = z.astype(lse.dtype)
    positive = jnp.sum(wide * wide[partner], axis=-1) / tau
    alone = partner == jnp.arange(z.shape[0])
    return jnp.where(alone[:, None], 0, lse.reshape(z.shape[:2]) - positive)


def triplet(
    anchor: Float[Array, "sample dim"],
    positive: Float[Array, "sample dim"],
    negative: Float[Array, "sample dim"],
    *,
    tau: Scalar,
) -> Float[Array, " sample"]:
    """SupCon with one positive and one negative (Sec. 8): `log(1 + e^{(z_a.z_n - z_a.z_p)/tau})`.

    To first order the triplet loss with margin 2 tau on squared distances.
    """
    dtype = jnp.result_type(jnp.float32, anchor)
    difference = jnp.sum(anchor.astype(dtype) * (negative.astype(dtype) - positive.astype(dtype)), axis=-1)
    return jnp.logaddexp(difference / tau, 0)


def _of_views(positive, anchor_views: int, views: int, dtype):
    """The matrix between samples as one between sample-major rows."""
    weight = positive.astype(jnp.result_type(jnp.float32, dtype))
    return jnp.repeat(jnp.repeat(weight, anchor_views, axis=0), views, axis=1)


def _next_of_class(label: Int[Array, " sample"]) -> Int[Array, " sample"]:
    order = jnp.argsort(label, stable=True)
    ordered = label[order]
    place = jnp.arange(label.shape[0])
    first = jnp.searchsorted(ordered, ordered, side="left")
    last = jnp.searchsorted(ordered, ordered, side="right") - 1
    following = order[jnp.where(place == last, first, place + 1)]
    return jnp.zeros_like(order).at[order].set(following)
