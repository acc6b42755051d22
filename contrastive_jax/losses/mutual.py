"""Mutual Contrastive Learning of M networks: Yang et al., 2022 (AAAI), in-batch supervised form.

`v` is one array of embeddings per network, [sample, dim] each, L2-normalised by the caller. Values are per
anchor, summed over networks (Eq. 2) or ordered pairs of networks (Eqs. 4, 6, 7): their mean is the loss.
Eq. 8 weighs the four. Forms with a memory bank or MoCo's queue: `mutual_memory`.
"""

from collections.abc import Iterator, Sequence

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from contrastive_jax.losses.distill import posterior_kl
from contrastive_jax.similarity import Rows, Scalar, Scores, l_out, row_kl

Cohort = Sequence[Float[Array, "sample dim"]]


def vcl(
    v: Cohort, label: Int[Array, " sample"], *, tau: Scalar, impl: str = "auto"
) -> Float[Array, " sample"]:
    """VCL (Eqs. 1, 2): SupCon with one view in each network's own space, summed over networks."""
    sets = [_rows(v_m, label) for v_m in v]
    return total(l_out(rows, rows, tau=tau, impl=impl) for rows in sets)


def icl(
    v: Cohort, label: Int[Array, " sample"], *, tau: Scalar, impl: str = "auto"
) -> Float[Array, " sample"]:
    """ICL (Eqs. 3, 4): anchors of network a among the embeddings of network b, for all ordered pairs.

    The anchor's own instance in network b is neither positive nor in the denominator. The gradient reaches
    both networks.
    """
    sets = [_rows(v_m, label) for v_m in v]
    return total(l_out(sets[a], sets[b], tau=tau, impl=impl) for a, b in pairs(len(v)))


def soft_vcl(v: Cohort, *, tau: Scalar, soft: Scalar = 3.0, impl: str = "auto") -> Float[Array, " sample"]:
    """Soft VCL (Eq. 6) in the authors' form: `soft^2 KL(p_b || p_a)`, p softmaxes of v.v/(tau soft).

    Over all columns, the anchor's own included; p_b, the teacher, is detached.
    """
    own = [Scores(v_m, v_m, tau * soft) for v_m in v]
    return total(soft**2 * _kl(own[b], own[a], None, impl) for a, b in pairs(len(v)))


def soft_icl(v: Cohort, *, tau: Scalar, soft: Scalar = 3.0, impl: str = "auto") -> Float[Array, " sample"]:
    """Soft ICL (Eq. 7) in the authors' form: `soft^2 KL(q_{b->a} || q_{a->b})` over all columns."""
    cross = {(a, b): Scores(v[a], v[b], tau * soft) for a, b in pairs(len(v))}
    return total(soft**2 * _kl(cross[b, a], cross[a, b], None, impl) for a, b in pairs(len(v)))


def soft_vcl_paper(
    v: Cohort, *, tau: Scalar, soft: Scalar = 3.0, impl: str = "auto"
) -> Float[Array, " sample"]:
    """Soft VCL as Eq. 6 has it: the anchor's own column is left out, and there is no factor soft^2."""
    own = [Scores(v_m, v_m, tau * soft) for v_m in v]
    return total(_kl(own[b], own[a], _identity(v), impl) for a, b in pairs(len(v)))


def soft_icl_paper(
    v: Cohort, *, tau: Scalar, soft: Scalar = 3.0, impl: str = "auto"
) -> Float[Array, " sample"]:
    """Soft ICL as Eq. 7 has it: the anchor's own column is left out, and there is no factor soft^2."""
    cross = {(a, b): Scores(v[a], v[b], tau * soft) for a, b in pairs(len(v))}
    return total(_kl(cross[b, a], cross[a, b], _identity(v), impl) for a, b in pairs(len(v)))


def ensemble_distill(
    logits: Sequence[Float[Array, "sample class"]], *, soft: Scalar = 3.0
) -> Float[Array, " sample"]:
    """Every network learns from the detached mean logits: `sum_m soft^2 KL(softmax(mean/soft) || p_m)`."""
    return total(posterior_kl(_ensemble(logits), student, soft=soft) for student in logits)


def ensemble_distill_last(
    logits: Sequence[Float[Array, "sample class"]], *, soft: Scalar = 3.0
) -> Float[Array, " sample"]:
    """What the released code does for more than two networks: only the last learns from the ensemble."""
    return posterior_kl(_ensemble(logits), logits[-1], soft=soft)


def deep_mutual(
    logits: Sequence[Float[Array, "sample class"]], *, soft: Scalar = 1.0
) -> Float[Array, " sample"]:
    """DML (Zhang et al., 2018): every network learns from every other's detached class posterior."""
    return total(posterior_kl(logits[b], logits[a], soft=soft) for a, b in pairs(len(logits)))


def collaborative(
    logits: Sequence[Float[Array, "sample class"]], *, soft: Scalar = 3.0
) -> Float[Array, " sample"]:
    """CL (Song, Chai 2018): every network learns from the detached mean logits of all the others."""
    others = [[*logits[:m], *logits[m + 1 :]] for m in range(len(logits))]
    return total(
        posterior_kl(_ensemble(teachers), student, soft=soft) for teachers, student in zip(others, logits)
    )


def pairs(networks: int) -> Iterator[tuple[int, int]]:
    """All ordered pairs a != b."""
    return ((a, b) for a in range(networks) for b in range(networks) if a != b)


def total(terms: Iterator[Array]) -> Array:
    """The sum of per-anchor values; at least one term (two networks where pairs are meant)."""
    first = next(terms)
    return sum(terms, start=first)


def _rows(v: Array, label: Array) -> Rows:
    return Rows(v, jnp.arange(v.shape[0]), label)


def _identity(v: Cohort):
    row = jnp.arange(v[0].shape[0])
    return row, row


def _kl(teacher: Scores, student: Scores, rows, impl: str) -> Array:
    anchors = lax.stop_gradient(teacher.anchors)
    # One array for both sides stays one: the engine then knows that they are the same rows.
    contrasts = anchors if teacher.contrasts is teacher.anchors else lax.stop_gradient(teacher.contrasts)
    return row_kl(Scores(anchors, contrasts, teacher.tau), student, rows=rows, impl=impl)


def _ensemble(logits):
    return jnp.mean(jnp.stack([x.astype(jnp.result_type(jnp.float32, x)) for x in logits]), axis=0)
