"""Mutual Contrastive Learning of M networks in the batch: Yang et al., 2022 (AAAI), supervised form.

Values are per anchor, summed over networks (Eq. 2) or ordered pairs of networks (Eqs. 4, 6, 7); Eq. 8 weighs the
four. The names of the same four against memory banks end in `_memory`, against queues in `_moco`.
"""

from collections.abc import Iterator, Sequence

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from contrastive_jax.errors import InputError
from contrastive_jax.losses._checks import checked
from contrastive_jax.losses._one_stage import posterior_kl
from contrastive_jax.similarity import Rows, Scalar, Scores, l_out, row_kl

Cohort = Sequence[Float[Array, "sample dim"]]
"""One array of embeddings per network."""
CohortLogits = Sequence[Float[Array, "sample class"]]


@checked("v")
def vcl(
    v: Cohort, label: Int[Array, " sample"], *, tau: Scalar, impl: str = "auto"
) -> Float[Array, " sample"]:
    """VCL (Eqs. 1, 2): SupCon with one view in each network's space, summed over networks.

    Args:
      v: unit-length embeddings of each network.
      label: class of each sample.
      tau: temperature.
      impl: as in `supcon`.

    Returns:
      The loss of each sample.

    Example:
      >>> v = list(losses.l2_normalize(jax.random.normal(jax.random.key(0), (2, 4, 8))))
      >>> losses.vcl(v, jnp.array([0, 0, 1, 1]), tau=0.1).shape
      (4,)
    """
    sets = [_rows(v_m, label) for v_m in v]
    return total(l_out(rows, rows, tau=tau, impl=impl) for rows in sets)


@checked("v")
def icl(
    v: Cohort, label: Int[Array, " sample"], *, tau: Scalar, impl: str = "auto"
) -> Float[Array, " sample"]:
    """ICL (Eqs. 3, 4): anchors of network a among the embeddings of network b, for all ordered pairs.

    The anchor's instance in network b is neither positive nor in the denominator. The gradient reaches both networks.

    Args:
      v: unit-length embeddings of each network, at least two.
      label: class of each sample.
      tau: temperature.
      impl: as in `supcon`.

    Returns:
      The loss of each sample.

    Example:
      >>> v = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 8)))
      >>> label = jnp.array([0, 0, 1, 1])
      >>> bool(jnp.allclose(losses.icl([v, v], label, tau=0.1), 2 * losses.vcl([v], label, tau=0.1)))
      True
    """
    sets = [_rows(v_m, label) for v_m in v]
    return total(l_out(sets[a], sets[b], tau=tau, impl=impl) for a, b in pairs(len(v)))


@checked("v")
def soft_vcl(v: Cohort, *, tau: Scalar, soft: Scalar = 3.0, impl: str = "auto") -> Float[Array, " sample"]:
    """Soft VCL (Eq. 6) in the authors' form: `soft^2 KL(p_b || p_a)`, p softmaxes of v.v/(tau soft).

    Over all columns, the anchor's included, for all ordered pairs of networks. The teacher p_b is detached.

    Args:
      v: unit-length embeddings of each network, at least two.
      tau: temperature.
      soft: factor on the temperature.
      impl: as in `supcon`.

    Returns:
      The loss of each sample.

    Example:
      >>> v = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 8)))
      >>> bool(jnp.allclose(losses.soft_vcl([v, v], tau=0.1), 0, atol=1e-5))
      True
    """
    own = [Scores(v_m, v_m, tau * soft) for v_m in v]
    return total(soft**2 * detached_kl(own[b], own[a], None, impl) for a, b in pairs(len(v)))


@checked("v")
def soft_icl(v: Cohort, *, tau: Scalar, soft: Scalar = 3.0, impl: str = "auto") -> Float[Array, " sample"]:
    """Soft ICL (Eq. 7) in the authors' form: `soft^2 KL(q_{b->a} || q_{a->b})` over all columns.

    q_{a->b} is the softmax of network a's anchor among network b's embeddings. The teacher q_{b->a} is detached.

    Args:
      v: unit-length embeddings of each network, at least two.
      tau: temperature.
      soft: factor on the temperature.
      impl: as in `supcon`.

    Returns:
      The loss of each sample.

    Example:
      >>> v = list(losses.l2_normalize(jax.random.normal(jax.random.key(0), (2, 4, 8))))
      >>> losses.soft_icl(v, tau=0.1).shape
      (4,)
    """
    cross = {(a, b): Scores(v[a], v[b], tau * soft) for a, b in pairs(len(v))}
    return total(soft**2 * detached_kl(cross[b, a], cross[a, b], None, impl) for a, b in pairs(len(v)))


@checked()
def ensemble_distill(logits: CohortLogits, *, soft: Scalar = 3.0) -> Float[Array, " sample"]:
    """Every network learns from the detached mean logits: `sum_m soft^2 KL(softmax(mean/soft) || p_m)`.

    Args:
      logits: class logits of each network.
      soft: temperature of the posteriors.

    Returns:
      The loss of each sample.

    Example:
      >>> logits = jax.random.normal(jax.random.key(0), (4, 10))
      >>> bool(jnp.allclose(losses.ensemble_distill([logits, logits]), 0, atol=1e-5))
      True
    """
    return total(posterior_kl(_ensemble(logits), student, soft=soft) for student in logits)


@checked()
def ensemble_distill_last(logits: CohortLogits, *, soft: Scalar = 3.0) -> Float[Array, " sample"]:
    """What the released code does for more than two networks: only the last learns from the ensemble.

    Args:
      logits: class logits of each network.
      soft: temperature of the posteriors.

    Returns:
      The loss of each sample.

    Example:
      >>> logits = list(jax.random.normal(jax.random.key(0), (3, 4, 10)))
      >>> losses.ensemble_distill_last(logits).shape
      (4,)
    """
    return posterior_kl(_ensemble(logits), logits[-1], soft=soft)


@checked()
def deep_mutual(logits: CohortLogits, *, soft: Scalar = 1.0) -> Float[Array, " sample"]:
    """DML (Zhang et al., 2018): every network learns from the detached class posterior of every other.

    `sum_{a != b} soft^2 KL(p_b || p_a)`

    Args:
      logits: class logits of each network, at least two.
      soft: temperature of the posteriors.

    Returns:
      The loss of each sample.

    Example:
      >>> logits = list(jax.random.normal(jax.random.key(0), (2, 4, 10)))
      >>> losses.deep_mutual(logits).shape
      (4,)
    """
    return total(posterior_kl(logits[b], logits[a], soft=soft) for a, b in pairs(len(logits)))


@checked()
def collaborative(logits: CohortLogits, *, soft: Scalar = 3.0) -> Float[Array, " sample"]:
    """CL (Song & Chai, 2018): every network learns from the detached mean logits of all others.

    `sum_m soft^2 KL(softmax(mean of the others/soft) || p_m)`

    Args:
      logits: class logits of each network, at least two.
      soft: temperature of the posteriors.

    Returns:
      The loss of each sample.

    Example:
      >>> logits = list(jax.random.normal(jax.random.key(0), (2, 4, 10)))
      >>> pair = losses.deep_mutual(logits, soft=3.0)
      >>> bool(jnp.allclose(losses.collaborative(logits, soft=3.0), pair))
      True
    """
    others = [[*logits[:m], *logits[m + 1 :]] for m in range(len(logits))]
    return total(
        posterior_kl(_ensemble(teachers), student, soft=soft) for teachers, student in zip(others, logits)
    )


def pairs(networks: int) -> Iterator[tuple[int, int]]:
    """All ordered pairs a != b."""
    return ((a, b) for a in range(networks) for b in range(networks) if a != b)


def total(terms: Iterator[Array]) -> Array:
    """The sum of per-anchor values; at least one term (two networks where pairs are meant)."""
    first = next(terms, None)
    if first is None:
        raise InputError("The cohort is too small: a loss over pairs of networks needs at least two.")
    return sum(terms, start=first)


def detached_kl(teacher: Scores, student: Scores, rows, impl: str) -> Array:
    """`row_kl` of a teacher without gradient."""
    anchors = lax.stop_gradient(teacher.anchors)
    # One array for both sides stays one: the engine then knows that they are the same rows.
    contrasts = anchors if teacher.contrasts is teacher.anchors else lax.stop_gradient(teacher.contrasts)
    return row_kl(Scores(anchors, contrasts, teacher.tau), student, rows=rows, impl=impl)


def _rows(v: Array, label: Array) -> Rows:
    return Rows(v, jnp.arange(v.shape[0]), label)


def _ensemble(logits):
    return jnp.mean(jnp.stack([x.astype(jnp.result_type(jnp.float32, x)) for x in logits]), axis=0)
