"""Supervised contrastive losses: Khosla et al., 2020, "Supervised Contrastive Learning".

Values follow Eq. 2 with its 1/|P(i)|, without the factor tau (or tau/0.07) of the released codes: methods apply that as
`loss_scale`. SupCon-S, as the SelfCon paper calls it, is `supcon` with one view and `mean_drop`.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from contrastive_jax.losses._checks import checked
from contrastive_jax.similarity import Rows, Scalar, l_in, l_out, read, row_stats


@checked("z")
def supcon(
    z: Float[Array, "sample view dim"], label: Int[Array, " sample"], *, tau: Scalar, impl: str = "auto"
) -> Float[Array, "sample view"]:
    """SupCon, L_out (Eq. 2): the mean over positives is outside the log.

    `-(1/|P(i)|) sum_{p in P(i)} log( e^{z_i.z_p/tau} / sum_{a != i} e^{z_i.z_a/tau} )`

    Every view of every sample is an anchor; its positives are all other rows of its class. An anchor without positives
    has value and gradient 0.

    Args:
      z: unit-length embeddings.
      label: class of each sample.
      tau: temperature.
      impl: how similarities are computed: "auto", "dense", "blockwise" or "ring". All are equal in value and gradient.

    Returns:
      The loss of each anchor; `mean_keep` and `mean_drop` average it.

    Example:
      >>> z = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 2, 8)))
      >>> losses.supcon(z, jnp.array([0, 0, 1, 1]), tau=0.1).shape
      (4, 2)
    """
    rows = Rows.of_views(z, label)
    return l_out(rows, rows, tau=tau, impl=impl).reshape(z.shape[:2])


@checked("z")
def supcon_in(
    z: Float[Array, "sample view dim"], label: Int[Array, " sample"], *, tau: Scalar, impl: str = "auto"
) -> Float[Array, "sample view"]:
    """SupCon, L_in (Eq. 3): the mean over positives is inside the log. Never above `supcon` (Jensen).

    `-log( (1/|P(i)|) sum_{p in P(i)} e^{z_i.z_p/tau} / sum_{a != i} e^{z_i.z_a/tau} )`

    Args:
      z: unit-length embeddings.
      label: class of each sample.
      tau: temperature.
      impl: as in `supcon`.

    Returns:
      The loss of each anchor.

    Example:
      >>> z = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 2, 8)))
      >>> label = jnp.array([0, 0, 1, 1])
      >>> bool(jnp.all(losses.supcon_in(z, label, tau=0.1) <= losses.supcon(z, label, tau=0.1)))
      True
    """
    rows = Rows.of_views(z, label)
    return l_in(rows, rows, tau=tau, impl=impl).reshape(z.shape[:2])


@checked("z")
def supcon_bank(
    z: Float[Array, "sample view dim"],
    label: Int[Array, " sample"],
    bank: Float[Array, "slot dim"],
    bank_label: Int[Array, " slot"],
    *,
    tau: Scalar,
    impl: str = "auto",
) -> Float[Array, "sample view"]:
    """SupCon (Eq. 2) whose contrasts are the batch and a memory bank of earlier embeddings with their labels.

    Bank entries are never anchors and carry no gradient. An entry of the anchor's class is a positive; an entry with
    label -1 is always a negative.

    Args:
      z: unit-length embeddings.
      label: class of each sample.
      bank: stored embeddings, the `z` of a `Queue`.
      bank_label: class of each entry, or -1.
      tau: temperature.
      impl: as in `supcon`.

    Returns:
      The loss of each anchor.

    Example:
      >>> z = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 2, 8)))
      >>> queue = losses.new_queue(jax.random.key(1), slots=16, dim=8)
      >>> losses.supcon_bank(z, jnp.array([0, 0, 1, 1]), queue.z, queue.label, tau=0.1).shape
      (4, 2)
    """
    batch = Rows.of_views(z, label)
    contrasts = batch.joined(Rows.of_keys(lax.stop_gradient(bank), bank_label))
    return l_out(batch, contrasts, tau=tau, impl=impl).reshape(z.shape[:2])


@checked("query", "key")
def supcon_queue(
    query: Float[Array, "sample view dim"],
    key: Float[Array, "sample view dim"],
    label: Int[Array, " sample"],
    queue: Float[Array, "slot dim"],
    queue_label: Int[Array, " slot"],
    *,
    tau: Scalar,
    impl: str = "auto",
) -> Float[Array, "sample view"]:
    """SupCon (Eq. 2) of queries against a momentum encoder's keys and a queue of earlier keys with their labels.

    Every view is a query. Its contrasts are the keys of all views of the batch except its own view's key, and the
    queue; those of its class are positives. Keys and queue carry no gradient. The paper (Sec. 4.1) cites MoCo for
    memory based alternatives without details: this form is ours.

    Args:
      query: the encoder's unit-length embeddings.
      key: the momentum encoder's unit-length embeddings of the same views.
      label: class of each sample.
      queue: earlier keys, the `z` of a `Queue`.
      queue_label: class of each entry, or -1 for an entry that is always a negative.
      tau: temperature.
      impl: as in `supcon`.

    Returns:
      The loss of each query.

    Example:
      >>> z, queue = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 2, 8))), jnp.zeros((0, 8))
      >>> label = jnp.array([0, 0, 1, 1])
      >>> loss = losses.supcon_queue(z, z, label, queue, jnp.zeros(0, int), tau=0.1)
      >>> bool(jnp.allclose(loss, losses.supcon(z, label, tau=0.1)))
      True
    """
    anchors, keys = Rows.of_views(query, label), Rows.of_views(lax.stop_gradient(key), label)
    contrasts = keys.joined(Rows.of_keys(lax.stop_gradient(queue), queue_label))
    return l_out(anchors, contrasts, tau=tau, impl=impl).reshape(query.shape[:2])


@checked("z")
def n_pairs(
    z: Float[Array, "sample view dim"], label: Int[Array, " sample"], *, tau: Scalar = 1.0, impl: str = "auto"
) -> Float[Array, "sample view"]:
    """N-pairs (Eq. 27): one positive, from another sample of the class.

    `log sum_{a != i} e^{z_i.z_a/tau} - z_i.z_{k(i)}/tau`

    k(i) is the next sample of the class in batch order (the first follows the last), in the same view. A class of one
    sample has no positive: its loss is 0.

    Args:
      z: unit-length embeddings.
      label: class of each sample.
      tau: temperature.
      impl: as in `supcon`.

    Returns:
      The loss of each anchor.

    Example:
      >>> z = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 1, 8)))
      >>> pairs = jnp.array([0, 1, 0, 1])
      >>> bool(jnp.allclose(losses.n_pairs(z, pairs, tau=0.1), losses.supcon(z, pairs, tau=0.1), rtol=1e-4))
      True
    """
    partner = _next_of_class(label)
    rows, want = Rows.of_views(z, label), ("lse",)
    (lse,) = read(row_stats(rows, rows, tau=tau, want=want, impl=impl), want)
    wide = z.astype(lse.dtype)
    positive = jnp.sum(wide * wide[partner], axis=-1) / tau
    alone = partner == jnp.arange(z.shape[0])
    return jnp.where(alone[:, None], 0, lse.reshape(z.shape[:2]) - positive)


@checked("anchor", "positive", "negative")
def triplet(
    anchor: Float[Array, "sample dim"],
    positive: Float[Array, "sample dim"],
    negative: Float[Array, "sample dim"],
    *,
    tau: Scalar,
) -> Float[Array, " sample"]:
    """SupCon with one positive and one negative (Sec. 8): `log( 1 + e^{(z_a.z_n - z_a.z_p)/tau} )`.

    To first order it is the triplet loss with margin 2 tau on squared distances.

    Args:
      anchor: unit-length embeddings.
      positive: the positive of each anchor, unit length.
      negative: the negative of each anchor, unit length.
      tau: temperature.

    Returns:
      The loss of each triplet.

    Example:
      >>> anchor, negative = jnp.array([[1.0, 0.0]]), jnp.array([[0.0, 1.0]])
      >>> float(losses.triplet(anchor, anchor, negative, tau=0.1)[0]) < 1e-4  # log(1 + e^-10)
      True
    """
    dtype = jnp.result_type(jnp.float32, anchor)
    difference = jnp.sum(anchor.astype(dtype) * (negative.astype(dtype) - positive.astype(dtype)), axis=-1)
    return jnp.logaddexp(difference / tau, 0)


def _next_of_class(label: Int[Array, " sample"]) -> Int[Array, " sample"]:
    order = jnp.argsort(label, stable=True)
    ordered = label[order]
    place = jnp.arange(label.shape[0])
    first = jnp.searchsorted(ordered, ordered, side="left")
    last = jnp.searchsorted(ordered, ordered, side="right") - 1
    following = order[jnp.where(place == last, first, place + 1)]
    return jnp.zeros_like(order).at[order].set(following)
