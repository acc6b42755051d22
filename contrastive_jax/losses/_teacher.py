"""Losses against a slowly moving teacher: BYOL, MoCo (queue) and MoCo v3 (batch).

The teacher's outputs are detached here because they come from a momentum encoder. The factor 2 tau of MoCo v3's code is
left to the method's `loss_scale`.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from contrastive_jax.losses._checks import checked
from contrastive_jax.losses._reduce import l2_normalize
from contrastive_jax.similarity import Rows, Scalar, l_out, read, row_stats


@checked()
def byol(q: Float[Array, "*batch dim"], z: Float[Array, "*batch dim"]) -> Float[Array, "*batch"]:
    """BYOL's regression (Grill et al., 2020; SDSSL Eq. 3), one direction: `|q/|q| - z/|z||^2 = 2 - 2 cos(q, z)`.

    Args:
      q: the student's predictions, of any length.
      z: the teacher's projections, of any length; detached.

    Returns:
      The loss of each prediction.

    Example:
      >>> losses.byol(jnp.array([[2.0, 0.0]]), jnp.array([[0.0, 3.0]])).tolist()
      [2.0]
    """
    return 2 - 2 * jnp.sum(l2_normalize(q) * lax.stop_gradient(l2_normalize(z)), axis=-1)


@checked()
def byol_symmetric(
    q: Float[Array, "sample 2 dim"], z: Float[Array, "sample 2 dim"]
) -> Float[Array, " sample"]:
    """BYOL, both directions added: predictions of one view against the targets of the other.

    Args:
      q: the student's predictions of both views, of any length.
      z: the teacher's projections of both views, of any length; detached.

    Returns:
      The loss of each sample.

    Example:
      >>> q = jax.random.normal(jax.random.key(0), (4, 2, 8))
      >>> bool(jnp.allclose(losses.byol_symmetric(q, q[:, ::-1]), 0, atol=1e-6))
      True
    """
    return jnp.sum(byol(q, z[:, ::-1]), axis=1)


@checked("q", "k")
def moco(
    q: Float[Array, "sample dim"],
    k: Float[Array, "sample dim"],
    queue: Float[Array, "slot dim"],
    *,
    tau: Scalar,
    impl: str = "auto",
) -> Float[Array, " sample"]:
    """MoCo (He et al., 2020): `-log( e^{q.k/tau} / (e^{q.k/tau} + sum_queue e^{q.u/tau}) )`.

    The negatives are the queue alone: keys of other samples in the batch are not among them.

    Args:
      q: unit-length queries.
      k: unit-length keys of the other view; detached.
      queue: earlier keys, the `z` of a `Queue` before this batch is pushed; detached.
      tau: temperature.
      impl: as in `supcon`.

    Returns:
      The loss of each query.

    Example:
      >>> z = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 2, 8)))
      >>> queue = losses.new_queue(jax.random.key(1), slots=16, dim=8)
      >>> losses.moco(z[:, 0], z[:, 1], queue.z, tau=0.2).shape
      (4,)
    """
    positive, against = queue_logits(q, lax.stop_gradient(k), lax.stop_gradient(queue), tau=tau, impl=impl)
    return jnp.logaddexp(positive, against) - positive


@checked("q", "k")
def queue_logits(
    q: Float[Array, "sample dim"],
    k: Float[Array, "sample dim"],
    queue: Float[Array, "slot dim"],
    *,
    tau: Scalar,
    impl: str = "auto",
) -> tuple[Float[Array, " sample"], Float[Array, " sample"]]:
    """The two ingredients of `moco`: `q.k/tau` and `log sum_queue e^{q.u/tau}`. Nothing is detached.

    Args:
      q: unit-length queries.
      k: unit-length keys.
      queue: earlier keys.
      tau: temperature.
      impl: as in `supcon`.

    Returns:
      The logit of each query's key, and the log-sum-exp over the queue.

    Example:
      >>> z = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 8)))
      >>> positive, against = losses.queue_logits(z, z, z[:2], tau=0.5)
      >>> bool(jnp.allclose(positive, 2.0)), against.shape
      (True, (4,))
    """
    want = ("lse",)
    (against,) = read(
        row_stats(Rows.unlabelled(q), Rows.unlabelled(queue), tau=tau, want=want, impl=impl), want
    )
    dtype = against.dtype
    return jnp.sum(q.astype(dtype) * k.astype(dtype), axis=-1) / tau, against


@checked("q", "k")
def moco_v3(
    q: Float[Array, "sample dim"], k: Float[Array, "sample dim"], *, tau: Scalar, impl: str = "auto"
) -> Float[Array, " sample"]:
    """MoCo v3 (Chen et al., 2021), one direction: `-log( e^{q_i.k_i/tau} / sum_j e^{q_i.k_j/tau} )`.

    All keys of the global batch are contrasts.

    Args:
      q: unit-length predictions of one view.
      k: unit-length keys of the other view; detached.
      tau: temperature.
      impl: as in `supcon`.

    Returns:
      The loss of each query.

    Example:
      >>> z = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 2, 8)))
      >>> losses.moco_v3(z[:, 0], z[:, 1], tau=0.2).shape
      (4,)
    """
    instance = jnp.arange(q.shape[0])
    keys = Rows.of_keys(lax.stop_gradient(k), instance)
    return l_out(Rows.of_keys(q, instance), keys, tau=tau, impl=impl)


@checked("q", "k")
def moco_v3_symmetric(
    q: Float[Array, "sample 2 dim"], k: Float[Array, "sample 2 dim"], *, tau: Scalar, impl: str = "auto"
) -> Float[Array, " sample"]:
    """MoCo v3, both directions added: queries of one view against the keys of the other.

    Args:
      q: unit-length predictions of both views.
      k: unit-length keys of both views; detached.
      tau: temperature.
      impl: as in `supcon`.

    Returns:
      The loss of each sample.

    Example:
      >>> z = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 2, 8)))
      >>> losses.moco_v3_symmetric(z, z, tau=0.2).shape
      (4,)
    """
    there = moco_v3(q[:, 0], k[:, 1], tau=tau, impl=impl)
    return there + moco_v3(q[:, 1], k[:, 0], tau=tau, impl=impl)
