"""One-stage training of a multi-exit network: sub-networks learn from labels and from the backbone.

SelfCon (Bae et al., 2021), Sec. 4.6, App. B and F. A sub-network can learn from the backbone by any loss of the two:
a softened class posterior, BYOL (`byol`), CRD and ML-CPC (`crd`), CompRess (`compress`), SelfCon (`selfcon_s`). The
paper detaches the backbone's outputs in all of them; its released code does so for the posterior only.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from contrastive_jax.losses._checks import checked
from contrastive_jax.similarity import Scalar, Scores, row_kl


@checked()
def feature_form(
    cross_entropy: Float[Array, " sample"], loss: Float[Array, " sample"], *, beta: Scalar = 1.0
) -> Float[Array, " sample"]:
    """A sub-network's loss on projected features (Table 7): `CE + beta * L`.

    Args:
      cross_entropy: of the sub-network's classifier.
      loss: what it learns from the backbone.
      beta: weight; the paper has 1, and 0.8 for CRD.

    Returns:
      The loss of each sample.

    Example:
      >>> losses.feature_form(jnp.ones(2), 2 * jnp.ones(2), beta=0.5).tolist()
      [2.0, 2.0]
    """
    return cross_entropy + beta * loss


@checked()
def logit_form(
    cross_entropy: Float[Array, " sample"], loss: Float[Array, " sample"], *, beta: Scalar = 0.5
) -> Float[Array, " sample"]:
    """A sub-network's loss when L sees logits, without heads (Table 10): `beta CE + (1 - beta) L`.

    Args:
      cross_entropy: of the sub-network's classifier.
      loss: what it learns from the backbone.
      beta: weight of the cross-entropy.

    Returns:
      The loss of each sample.

    Example:
      >>> losses.logit_form(jnp.ones(2), 3 * jnp.ones(2), beta=0.5).tolist()
      [2.0, 2.0]
    """
    return beta * cross_entropy + (1 - beta) * loss


@checked()
def one_stage(
    backbone: Float[Array, " sample"],
    subs: Sequence[Sequence[Float[Array, " sample"]]],
    *,
    weights: Sequence[float],
) -> Float[Array, " sample"]:
    """The whole network's loss: `CE(backbone) + sum over sub-networks of sum_k weights_k * loss_k`.

    Args:
      backbone: cross-entropy of the backbone's classifier.
      subs: per sub-network, its losses.
      weights: one per loss of a sub-network; the released code's (alpha, beta, gamma).

    Returns:
      The loss of each sample.

    Example:
      >>> losses.one_stage(jnp.ones(2), [[jnp.ones(2), jnp.ones(2)]], weights=(0.5, 10.0)).tolist()
      [11.5, 11.5]
    """
    terms = (w * loss for losses in subs for w, loss in zip(weights, losses, strict=True))
    return sum(terms, start=backbone)


@checked()
def norm_scaled(loss: Float[Array, " sample"], w: Float[Array, "sample dim"]) -> Float[Array, " sample"]:
    """`|w_i| loss_i`, |w| detached: undoes the 1/|w| that normalising puts into the gradient (App. B).

    Args:
      loss: a loss of normalised outputs.
      w: the outputs before they were normalised.

    Returns:
      The loss of each sample.

    Example:
      >>> losses.norm_scaled(jnp.ones(1), jnp.array([[3.0, 4.0]])).tolist()
      [5.0]
    """
    wide = lax.stop_gradient(w).astype(loss.dtype)
    return jnp.linalg.norm(wide, axis=-1) * loss


@checked()
def soft_cross_entropy(
    teacher: Float[Array, "sample class"], student: Float[Array, "sample class"], *, soft: Scalar
) -> Float[Array, " sample"]:
    """The released code's self-distillation: `-soft^2 sum_c p_t log p_s` of softened posteriors.

    It differs from `posterior_kl` by the teacher's entropy, not in gradient.

    Args:
      teacher: the backbone's logits; detached.
      student: a sub-network's logits.
      soft: temperature of the posteriors.

    Returns:
      The loss of each sample.

    Example:
      >>> teacher, student = jax.random.normal(jax.random.key(0), (2, 4, 10))
      >>> entropy = losses.soft_cross_entropy(teacher, teacher, soft=3.0)
      >>> kl = losses.posterior_kl(teacher, student, soft=3.0)
      >>> bool(jnp.allclose(losses.soft_cross_entropy(teacher, student, soft=3.0), kl + entropy))
      True
    """
    log_p, log_q = _softened(teacher, student, soft)
    return -(soft**2) * jnp.sum(jnp.exp(log_p) * log_q, axis=1)


@checked()
def posterior_kl(
    teacher: Float[Array, "sample class"], student: Float[Array, "sample class"], *, soft: Scalar
) -> Float[Array, " sample"]:
    """`soft^2 KL(softmax(teacher/soft) || softmax(student/soft))` (Hinton et al., 2015).

    Args:
      teacher: logits; detached.
      student: logits.
      soft: temperature of the posteriors.

    Returns:
      The loss of each sample.

    Example:
      >>> logits = jax.random.normal(jax.random.key(0), (4, 10))
      >>> losses.posterior_kl(logits, logits, soft=3.0).tolist()
      [0.0, 0.0, 0.0, 0.0]
    """
    log_p, log_q = _softened(teacher, student, soft)
    return soft**2 * jnp.sum(jnp.exp(log_p) * (log_p - log_q), axis=1)


@checked("student", "teacher")
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

    Args:
      student: unit-length embeddings.
      teacher: unit-length embeddings of the same samples; the caller detaches them.
      student_queue: earlier embeddings of the student; detached. With one queue, the teacher's serves both.
      teacher_queue: embeddings of the teacher for the same samples; detached.
      tau: temperature.
      impl: as in `supcon`.

    Returns:
      The loss of each sample.

    Example:
      >>> z = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 8)))
      >>> queue = losses.new_queue(jax.random.key(1), slots=16, dim=8).z
      >>> bool(jnp.allclose(losses.compress(z, z, queue, queue, tau=0.1), 0, atol=1e-6))
      True
    """
    student_queue, teacher_queue = lax.stop_gradient((student_queue, teacher_queue))
    return row_kl(Scores(teacher, teacher_queue, tau), Scores(student, student_queue, tau), impl=impl)


def _softened(teacher, student, soft):
    dtype = jnp.result_type(jnp.float32, teacher, student)
    logits = (lax.stop_gradient(teacher).astype(dtype), student.astype(dtype))
    return (jax.nn.log_softmax(x / soft) for x in logits)
