"""SupCon with other denominators and a cap on positives: google-research's form of the paper's ablations.

`cap` is the most rows of *other* samples that may be positives of an anchor (Sec. 11 of the supplement), a multiple
of the views: the first ones of the class in batch order, all views of each. Positives beyond it are neither in the
numerator nor in any denominator. -1 means no cap. An anchor's other views always count.

Two integers per row cannot express the one-positive denominator and the cap, so these run on the dense form; only
`supcon_only_negatives` without a cap streams.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from contrastive_jax.errors import InputError
from contrastive_jax.losses._checks import checked
from contrastive_jax.similarity import (
    PairMask,
    Rows,
    Scalar,
    Scores,
    dense,
    l_in,
    l_out,
    read,
    row_stats,
    safe,
)


@checked("z")
def supcon_capped(
    z: Float[Array, "sample view dim"],
    label: Int[Array, " sample"],
    *,
    tau: Scalar,
    cap: int,
    impl: str = "auto",
) -> Float[Array, "sample view"]:
    """L_out over at most `cap` positives: `mean_p [ log(sum_P e^{s_ia} + sum_N e^{s_ia}) - s_ip ]`.

    Args:
      z: unit-length embeddings.
      label: class of each sample.
      tau: temperature.
      cap: most positive rows of other samples; -1: all.
      impl: as in `supcon`; with a cap, "auto" or "dense".

    Returns:
      The loss of each anchor.

    Example:
      >>> z, label = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 2, 8))), jnp.array([0, 0, 1, 1])
      >>> loss = losses.variants.supcon_capped(z, label, tau=0.1, cap=-1)
      >>> bool(jnp.all(loss == losses.supcon(z, label, tau=0.1)))
      True
    """
    rows, mask = _pairs(z, label, cap)
    return l_out(rows, rows, tau=tau, mask=mask, impl=impl).reshape(z.shape[:2])


@checked("z")
def supcon_in_capped(
    z: Float[Array, "sample view dim"],
    label: Int[Array, " sample"],
    *,
    tau: Scalar,
    cap: int,
    impl: str = "auto",
) -> Float[Array, "sample view"]:
    """L_in over at most `cap` positives: `-log( mean_p e^{s_ip} / (sum_P e^{s_ia} + sum_N e^{s_ia}) )`.

    Args:
      z: unit-length embeddings.
      label: class of each sample.
      tau: temperature.
      cap: most positive rows of other samples; -1: all.
      impl: as in `supcon`; with a cap, "auto" or "dense".

    Returns:
      The loss of each anchor.

    Example:
      >>> z, label = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 2, 8))), jnp.array([0, 0, 1, 1])
      >>> losses.variants.supcon_in_capped(z, label, tau=0.1, cap=2).shape
      (4, 2)
    """
    rows, mask = _pairs(z, label, cap)
    return l_in(rows, rows, tau=tau, mask=mask, impl=impl).reshape(z.shape[:2])


@checked("z")
def supcon_only_negatives(
    z: Float[Array, "sample view dim"],
    label: Int[Array, " sample"],
    *,
    tau: Scalar,
    cap: int = -1,
    impl: str = "auto",
) -> Float[Array, "sample view"]:
    """L_out without positives in the denominator: `mean_p [ log sum_N e^{s_ia} - s_ip ]`.

    It is unbounded below. An anchor without negatives has no such value and counts 0.

    Args:
      z: unit-length embeddings.
      label: class of each sample.
      tau: temperature.
      cap: most positive rows of other samples; -1: all.
      impl: as in `supcon`; with a cap, "auto" or "dense".

    Returns:
      The loss of each anchor.

    Example:
      >>> z, label = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 2, 8))), jnp.array([0, 0, 1, 1])
      >>> lower = losses.variants.supcon_only_negatives(z, label, tau=0.1)
      >>> bool(jnp.all(lower < losses.supcon(z, label, tau=0.1)))
      True
    """
    rows, mask = _pairs(z, label, cap)
    want = ("neg_lse", "pos_sum", "pos_count")
    neg_lse, pos_sum, count = read(row_stats(rows, rows, tau=tau, want=want, mask=mask, impl=impl), want)
    loss = jnp.where((count > 0) & _exists(neg_lse), neg_lse - pos_sum / safe(count), 0)
    return loss.reshape(z.shape[:2])


@checked("z")
def supcon_in_only_negatives(
    z: Float[Array, "sample view dim"],
    label: Int[Array, " sample"],
    *,
    tau: Scalar,
    cap: int = -1,
    impl: str = "auto",
) -> Float[Array, "sample view"]:
    """L_in without positives in the denominator: `log sum_N e^{s_ia} - log( mean_p e^{s_ip} )`.

    Args:
      z: unit-length embeddings.
      label: class of each sample.
      tau: temperature.
      cap: most positive rows of other samples; -1: all.
      impl: as in `supcon`; with a cap, "auto" or "dense".

    Returns:
      The loss of each anchor.

    Example:
      >>> z, label = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 2, 8))), jnp.array([0, 0, 1, 1])
      >>> losses.variants.supcon_in_only_negatives(z, label, tau=0.1).shape
      (4, 2)
    """
    rows, mask = _pairs(z, label, cap)
    want = ("neg_lse", "pos_lse", "pos_count")
    neg_lse, pos_lse, count = read(row_stats(rows, rows, tau=tau, want=want, mask=mask, impl=impl), want)
    loss = jnp.where((count > 0) & _exists(neg_lse), neg_lse - pos_lse + jnp.log(safe(count)), 0)
    return loss.reshape(z.shape[:2])


@checked("z")
def supcon_one_positive(
    z: Float[Array, "sample view dim"], label: Int[Array, " sample"], *, tau: Scalar, cap: int = -1
) -> Float[Array, "sample view"]:
    """L_out, each positive alone among the negatives: `mean_p [ log(e^{s_ip} + sum_N e^{s_ia}) - s_ip ]`.

    Args:
      z: unit-length embeddings.
      label: class of each sample.
      tau: temperature.
      cap: most positive rows of other samples; -1: all.

    Returns:
      The loss of each anchor.

    Example:
      >>> z = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 2, 8)))
      >>> loss = losses.variants.supcon_one_positive(z, jnp.arange(4), tau=0.1)
      >>> bool(jnp.allclose(loss, losses.nt_xent(z, tau=0.1), atol=1e-5))
      True
    """
    nll, positive = _one_positive(z, label, tau, cap)
    count = jnp.sum(positive, axis=1)
    return (jnp.sum(positive * nll, axis=1) / safe(count)).reshape(z.shape[:2])


@checked("z")
def supcon_in_one_positive(
    z: Float[Array, "sample view dim"], label: Int[Array, " sample"], *, tau: Scalar, cap: int = -1
) -> Float[Array, "sample view"]:
    """L_in with the one-positive denominator: `-log mean_p [ e^{s_ip} / (e^{s_ip} + sum_N e^{s_ia}) ]`.

    Args:
      z: unit-length embeddings.
      label: class of each sample.
      tau: temperature.
      cap: most positive rows of other samples; -1: all.

    Returns:
      The loss of each anchor.

    Example:
      >>> z, label = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 2, 8))), jnp.array([0, 0, 1, 1])
      >>> losses.variants.supcon_in_one_positive(z, label, tau=0.1).shape
      (4, 2)
    """
    nll, positive = _one_positive(z, label, tau, cap)
    count = jnp.sum(positive, axis=1)
    loss = jnp.log(safe(count)) - dense.masked_lse(-nll, positive)
    return jnp.where(count > 0, loss, 0).reshape(z.shape[:2])


def _one_positive(z, label, tau, cap) -> tuple[Float[Array, "n n"], Float[Array, "n n"]]:
    """`-log( e^{s_ip} / (e^{s_ip} + sum_N e^{s_ia}) )` of every pair, and which pairs are positive."""
    rows, mask = _pairs(z, label, cap)
    want = ("neg_lse",)
    (neg_lse,) = read(row_stats(rows, rows, tau=tau, want=want, mask=mask, impl="dense"), want)
    s = dense.logits(Scores(rows.z, rows.z, tau))
    if mask is None or mask.positive is None:
        positive = dense.same_group(rows.group, rows.group) & dense.distinct(rows.row, rows.row)
    else:
        positive = mask.positive
    exists = _exists(neg_lse)[:, None]
    margin = jnp.where(exists, neg_lse[:, None] - s, 0)
    return jnp.where(exists, jax.nn.softplus(margin), 0), positive.astype(s.dtype)


def _exists(lse: Float[Array, " n"]) -> Bool[Array, " n"]:
    """Whether the log-sum-exp had anything to sum: without, it is the dtype's lowest."""
    return lse > jnp.finfo(lse.dtype).min


def _pairs(z, label, cap: int) -> tuple[Rows, PairMask | None]:
    """All rows, and the explicit pairs that a cap leaves; no mask without a cap."""
    samples, views, _ = z.shape
    rows = Rows.of_views(z, label)
    if cap == -1:
        return rows, None
    if cap < 0 or cap % views:
        raise InputError(
            f"cap is {cap}; it counts rows of other samples: a multiple of the {views} views, or -1."
        )
    same = label[:, None] == label[None, :]
    own = jnp.eye(samples, dtype=bool)
    others = same & ~own
    kept = (others & (jnp.cumsum(others, axis=1) <= cap // views)) | own
    positive = _by_view(kept, views) & dense.distinct(rows.row, rows.row)
    return rows, PairMask(valid=positive | _by_view(~same, views), positive=positive)


def _by_view(pairs: Bool[Array, "sample sample"], views: int) -> Bool[Array, "n n"]:
    return jnp.repeat(jnp.repeat(pairs, views, axis=0), views, axis=1)
