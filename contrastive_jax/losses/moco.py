"""Contrastive losses against a slowly moving teacher: MoCo (queue) and MoCo v3 (batch).

Queries and keys are L2-normalised by the caller; keys and queue are detached here, for they come from the
momentum encoder. The factor 2 tau of MoCo v3 is `loss_scale`.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from contrastive_jax.similarity import Rows, Scalar, l_out, read, row_stats


def moco(
    q: Float[Array, "sample dim"],
    k: Float[Array, "sample dim"],
    queue: Float[Array, "slot dim"],
    *,
    tau: Scalar,
    impl: str = "auto",
) -> Float[Array, " sample"]:
    """MoCo (He et al., 2020): `-log( e^{q.k/tau} / (e^{q.k/tau} + sum_queue e^{q.u/tau}) )`.

    The negatives are the queue alone: other samples' keys of this batch are not among them.
    """
    positive, against = queue_logits(q, lax.stop_gradient(k), lax.stop_gradient(queue), tau=tau, impl=impl)
    return jnp.logaddexp(positive, against) - positive


def queue_logits(
    q: Float[Array, "sample dim"],
    k: Float[Array, "sample dim"],
    queue: Float[Array, "slot dim"],
    *,
    tau: Scalar,
    impl: str = "auto",
) -> tuple[Float[Array, " sample"], Float[Array, " sample"]]:
    """The logit of the own key, and the log-sum-exp over the queue."""
    want = ("lse",)
    (against,) = read(
        row_stats(Rows.unlabelled(q), Rows.unlabelled(queue), tau=tau, want=want, impl=impl), want
    )
    dtype = against.dtype
    return jnp.sum(q.astype(dtype) * k.astype(dtype), axis=-1) / tau, against


def moco_v3(
    q: Float[Array, "sample dim"], k: Float[Array, "sample dim"], *, tau: Scalar, impl: str = "auto"
) -> Float[Array, " sample"]:
    """MoCo v3 (Chen et al., 2021), one direction: `-log( e^{q_i.k_i/tau} / sum_j e^{q_i.k_j/tau} )`.

    All keys of the global batch are contrasts.
    """
    instance = jnp.arange(q.shape[0])
    keys = Rows(lax.stop_gradient(k), jnp.full_like(instance, -1), instance)
    return l_out(Rows(q, jnp.full_like(instance, -1), instance), keys, tau=tau, impl=impl)


def moco_v3_symmetric(
    q: Float[Array, "sample 2 dim"], k: Float[Array, "sample 2 dim"], *, tau: Scalar, impl: str = "auto"
) -> Float[Array, " sample"]:
    """Both directions added: queries of one view against the keys of the other."""
    there = moco_v3(q[:, 0], k[:, 1], tau=tau, impl=impl)
    return there + moco_v3(q[:, 1], k[:, 0], tau=tau, impl=impl)
