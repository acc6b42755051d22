"""One-stage training of a multi-exit network: sub-networks learn from labels and from the backbone.

SelfCon (Bae et al., 2021), Sec. 4.6, App. B and F. What a sub-network learns from the backbone is any loss of
the two: a softened class posterior here, BYOL (`byol`), CRD and ML-CPC (`crd`), CompRess here, SelfCon
(`selfcon_s`). The paper detaches the backbone's outputs in them; its released code does so for the
posterior only. All values are per sample.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from contrastive_jax.similarity import Scalar, Scores, row_kl


def feature_form(
    cross_entropy: Float[Array, " sample"], loss: Float[Array, " sample"], *, beta: Scalar = 1.0
) -> Float[Array, " sample"]:
    """A sub-network's loss on projected features (Table 7): `CE + beta * L`; beta 1, CRD 0.8."""
    return cross_entropy + beta * loss


def logit_form(
    cross_entropy: Float[Array, " sample"], loss: Float[Array, " sample"], *, beta: Scalar = 0.5
) -> Float[Array, " sample"]:
    """A sub-network's loss when L sees logits, no heads (Table 10): `beta CE + (1 - beta) L`."""
    return beta * cross_entropy + (1 - beta) * loss


def one_stage(
    backbone: Float[Array, " sample"],
    subs: Sequence[Sequence[Float[Array, " sample"]]],
    *,
    weights: Sequence[float],
) -> Float[Array, " sample"]:
    """`CE(backbone) + sum over sub-networks of sum_k weights_k * loss_k`; the code's (alpha, beta, gamma)."""
    terms = (w * loss for losses in subs for w, loss in zip(weights, losses, strict=True))
    return sum(terms, start=backbone)


def norm_scaled(loss: Float[Array, " sample"], w: Float[Array, "sample dim"]) -> Float[Array, " sample"]:
    """`|w_i| loss_i`, |w| detached: undoes the 1/|w| that normalising puts into the gradient (App. B)."""
    wide = lax.stop_gradient(w).astype(loss.dtype)
    return jnp.linalg.norm(wide, axis=-1) * loss


def soft_cross_entropy(
    teacher: Float[Array, "sample class"], student: Float[Array, "sample class"], *, soft: Scalar
) -> Float[Array, " sample"]:
    """The released code's self-distillation: `-soft^2 sum_c p_t log p_s` of softened posteriors.

    The teacher is detached. It differs from `posterior_kl` by the teacher's entropy, not in gradient.
    """
    log_p, log_q = _softened(teacher, student, soft)
    return -(soft**2) * jnp.sum(jnp.exp(log_p) * log_q, axis=1)


def posterior_kl(
    teacher: Float[Array, "sample class"], student: Float[Array, "sample class"], *, soft: Scalar
) -> Float[Array, " sample"]:
    """`soft^2 KL(softmax(teacher/soft) || softmax(student/soft))`, teacher detached (Hinton et al., 2015)."""
    log_p, log_q = _softened(teacher, student, soft)
    return soft**2 * jnp.sum(jnp.exp(log_p) * (log_p - log_q), axis=1)


def compress(
    student: Float[Array, "sample dim_s"],
    teacher: Float[Array, "sample dim_t"],
    student_queue: Float[Array, "slot dim_s"],
    teacher_queue: Float[Array, "slot dim_t"],
    *,
    tau: Scalar,
    impl: str = "auto",
) -> Float[Array, " sample"]:
    """CompRess (Koohpayegani et al., 2020): `KL(softmax(t.Q_t/tau) || softmax(s.Q_s/tau))`, no factor tau^2.

    Embeddings are L2-normalised by the caller, who detaches the teacher; queues are those before this batch.
    With one queue, the teacher's serves both.
    """
    student_queue, teacher_queue = lax.stop_gradient((student_queue, teacher_queue))
    return row_kl(Scores(teacher, teacher_queue, tau), Scores(student, student_queue, tau), impl=impl)


def _softened(teacher, student, soft):
    dtype = jnp.result_type(jnp.float32, teacher, student)
    logits = (lax.stop_gradient(teacher).astype(dtype), student.astype(dtype))
    return (jax.nn.log_softmax(x / soft) for x in logits)
