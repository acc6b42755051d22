"""Forms in which a paper and its released code differ, where our methods train the other one; and a few more."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from contrastive_jax.losses._checks import checked
from contrastive_jax.losses._crd import MemoryScores, log_weights
from contrastive_jax.losses._mutual import Cohort, detached_kl, pairs, total
from contrastive_jax.losses._reduce import has_positive
from contrastive_jax.losses._sdssl import to_keys
from contrastive_jax.losses._selfcon import subnetwork_anchors
from contrastive_jax.losses._supcon import supcon
from contrastive_jax.similarity import Rows, Scalar, Scores, l_out


@checked("exits")
def selfcon_s_star(
    exits: Float[Array, "sample exit dim"],
    label: Int[Array, " sample"],
    *,
    tau: Scalar,
    alpha: Scalar = 1.0,
    impl: str = "auto",
) -> Float[Array, " sample"]:
    """What SelfCon's released code computes for one view and alpha > 0: Eq. 2 with SupCon-S as its first bracket.

    Backbone anchors without positives are excluded from the first bracket's mean: the others are weighted up, so that
    the plain mean of the returned values is the sum of both brackets' means.

    Args:
      exits: unit-length outputs of all exits, the backbone last; at least one sub-network.
      label: class of each sample.
      tau: temperature.
      alpha: weight of the sub-networks' anchors.
      impl: as in `supcon`.

    Returns:
      The loss of each sample.

    Example:
      >>> exits = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 3, 8)))
      >>> losses.variants.selfcon_s_star(exits, jnp.array([0, 0, 1, 2]), tau=0.1).shape
      (4,)
    """
    backbone = supcon(exits[:, -1:], label, tau=tau, impl=impl)[:, 0]
    has = has_positive(label)
    weight = has * (has.shape[0] / jnp.maximum(jnp.sum(has), 1))
    return backbone * weight + alpha * _mean_of_subs(exits, label, tau, impl)


@checked("exits")
def selfcon_su_star(
    exits: Float[Array, "sample exit dim"], *, tau: Scalar, alpha: Scalar = 1.0, impl: str = "auto"
) -> Float[Array, " sample"]:
    """SelfCon's released code for one view without labels and alpha > 0: the sub-networks' bracket alone.

    Args:
      exits: unit-length outputs of all exits, the backbone last; at least one sub-network.
      tau: temperature.
      alpha: weight of the sub-networks' anchors.
      impl: as in `supcon`.

    Returns:
      The loss of each sample.

    Example:
      >>> exits = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 3, 8)))
      >>> losses.variants.selfcon_su_star(exits, tau=0.1).shape
      (4,)
    """
    return alpha * _mean_of_subs(exits, jnp.arange(exits.shape[0]), tau, impl)


@checked("z")
def cross_view(
    z: Float[Array, "sample 2 dim"], *, tau: Scalar, impl: str = "auto"
) -> Float[Array, "sample 2"]:
    """The loss of the RandBits notebook (Intriguing Properties): NT-Xent over the other view's N rows only.

    No row of the anchor's view is in its denominator. The notebook adds both directions: twice the mean over anchors.

    Args:
      z: unit-length embeddings of two views.
      tau: temperature.
      impl: as in `supcon`.

    Returns:
      The loss of each anchor.

    Example:
      >>> z = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 2, 8)))
      >>> bool(jnp.all(losses.variants.cross_view(z, tau=0.1) < losses.nt_xent(z, tau=0.1)))
      True
    """
    instance = jnp.arange(z.shape[0])
    none = jnp.full_like(instance, -1)
    first, second = (Rows(z[:, view], none, instance) for view in range(2))
    there = l_out(first, second, tau=tau, impl=impl)
    back = l_out(second, first, tau=tau, impl=impl)
    return jnp.stack([there, back], axis=1)


@checked("v")
def soft_vcl_paper(
    v: Cohort, *, tau: Scalar, soft: Scalar = 3.0, impl: str = "auto"
) -> Float[Array, " sample"]:
    """Soft VCL as in MCL's Eq. 6: without the anchor's column, and without the factor soft^2.

    Args:
      v: unit-length embeddings of each network, at least two.
      tau: temperature.
      soft: factor on the temperature.
      impl: as in `supcon`.

    Returns:
      The loss of each sample.

    Example:
      >>> v = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 8)))
      >>> bool(jnp.allclose(losses.variants.soft_vcl_paper([v, v], tau=0.1), 0, atol=1e-5))
      True
    """
    own = [Scores(v_m, v_m, tau * soft) for v_m in v]
    return total(detached_kl(own[b], own[a], _identity(v), impl) for a, b in pairs(len(v)))


@checked("v")
def soft_icl_paper(
    v: Cohort, *, tau: Scalar, soft: Scalar = 3.0, impl: str = "auto"
) -> Float[Array, " sample"]:
    """Soft ICL as in MCL's Eq. 7: without the anchor's column, and without the factor soft^2.

    Args:
      v: unit-length embeddings of each network, at least two.
      tau: temperature.
      soft: factor on the temperature.
      impl: as in `supcon`.

    Returns:
      The loss of each sample.

    Example:
      >>> v = list(losses.l2_normalize(jax.random.normal(jax.random.key(0), (2, 4, 8))))
      >>> losses.variants.soft_icl_paper(v, tau=0.1).shape
      (4,)
    """
    cross = {(a, b): Scores(v[a], v[b], tau * soft) for a, b in pairs(len(v))}
    return total(detached_kl(cross[b, a], cross[a, b], _identity(v), impl) for a, b in pairs(len(v)))


@checked()
def cpc(s: MemoryScores, *, alpha: Scalar = 1.0) -> Float[Array, " sample"]:
    """CPC against a memory (Song & Ermon, 2020): `ml_cpc` with a denominator per sample.

    `-s_0 + log( (alpha e^{s_0} + beta sum_k e^{s_k}) / (K + 1) )` with beta = (K + 1 - alpha)/K.

    Args:
      s: scores from `memory_scores`, the positive first.
      alpha: weight of the positive.

    Returns:
      The loss of each sample.

    Example:
      >>> s = jnp.array([[2.0, 0.0], [2.0, 0.0]])
      >>> bool(jnp.allclose(losses.variants.cpc(s) + jnp.log(2.0), losses.ml_cpc(s)))
      True
    """
    return jax.nn.logsumexp(s + log_weights(s, alpha), axis=1) - s[:, 0]


@checked()
def sd_byol_first_step(
    layer_loss: Float[Array, "sample layer"],
    prediction_loss: Float[Array, "sample layer"],
    *,
    beta: Scalar = 1.0,
) -> Float[Array, " sample"]:
    """What SDSSL's BYOL script computes in its first step, while alpha is 0: L_ssl is the mean over *all* layers.

    `mean over layers of layer_loss + beta * sum over layers of prediction_loss`

    Args:
      layer_loss: `layers_byol` of the predictions.
      prediction_loss: the same loss with detached projections.
      beta: weight of the predictions' loss.

    Returns:
      The loss of each sample.

    Example:
      >>> losses.variants.sd_byol_first_step(jnp.array([[1.0, 3.0]]), jnp.ones((1, 2))).tolist()
      [4.0]
    """
    mean = jnp.sum(layer_loss, axis=1) / max(layer_loss.shape[1], 1)
    return mean + beta * jnp.sum(prediction_loss, axis=1)


@checked("q", "z")
def layers_to_keys(
    q: Float[Array, "sample layer dim"], z: Float[Array, "sample dim"], *, tau: Scalar, impl: str = "auto"
) -> Float[Array, "sample layer"]:
    """`layers_contrastive` with the gradient of both sides (SDSSL's Alg. 1, `ctr`, without its factor 2 tau).

    `-log( e^{q_li.z_i/tau} / sum_j e^{q_li.z_j/tau} )`

    Args:
      q: unit-length predictions of all layers.
      z: unit-length keys; not detached.
      tau: temperature.
      impl: as in `supcon`.

    Returns:
      The loss of each layer.

    Example:
      >>> q = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 3, 8)))
      >>> same = losses.layers_contrastive(q, q[:, -1], tau=0.2)
      >>> bool(jnp.all(losses.variants.layers_to_keys(q, q[:, -1], tau=0.2) == same))
      True
    """
    return to_keys(q, z, tau=tau, impl=impl)


def _mean_of_subs(exits, group, tau, impl):
    return jnp.mean(subnetwork_anchors(exits[:, None], group, tau=tau, impl=impl), axis=(1, 2))


def _identity(v: Cohort):
    row = jnp.arange(v[0].shape[0])
    return row, row
