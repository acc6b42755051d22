"""Self-Distilled Self-Supervised Learning: Jang et al., 2023 (WACV). Intermediate layers mimic the final one.

`q` holds the student's head outputs of all layers, the last layer last. Contrastive forms take L2-normalised
embeddings; BYOL's form normalises itself. One direction at a time: the loss of two views is the sum of
(q of view 1, z of view 2) and (q of view 2, z of view 1). The authors' factor 2 tau is `loss_scale`.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from contrastive_jax.losses.byol import byol
from contrastive_jax.losses.generalized import nt_xent
from contrastive_jax.similarity import Rows, Scalar, l_out


def layers_contrastive(
    q: Float[Array, "sample layer dim"], z: Float[Array, "sample dim"], *, tau: Scalar, impl: str = "auto"
) -> Float[Array, "sample layer"]:
    """Eq. 4 for every layer: `-log( e^{q_li.z_i/tau} / sum_j e^{q_li.z_j/tau} )`, the teacher z detached.

    All teacher rows of the global batch are contrasts. It is L_ssl of MoCo v3 for the last layer, L_isd
    (Eq. 5) for the others, and L_pred (Eq. 7) for predictions from detached projections.
    """
    return layers_to_keys(q, lax.stop_gradient(z), tau=tau, impl=impl)


def layers_to_keys(
    q: Float[Array, "sample layer dim"], z: Float[Array, "sample dim"], *, tau: Scalar, impl: str = "auto"
) -> Float[Array, "sample layer"]:
    """`layers_contrastive` with the gradient of both sides (Alg. 1, `ctr`, without its factor 2 tau)."""
    samples, layers, dim = q.shape
    instance = jnp.arange(samples)
    of_row = jnp.repeat(instance, layers)
    anchors = Rows(q.reshape(-1, dim), jnp.full_like(of_row, -1), of_row)
    contrasts = Rows(z, jnp.full_like(instance, -1), instance)
    return l_out(anchors, contrasts, tau=tau, impl=impl).reshape(samples, layers)


def layers_byol(
    q: Float[Array, "sample layer dim"], z: Float[Array, "sample dim"]
) -> Float[Array, "sample layer"]:
    """Eq. 3 for every layer: `2 - 2 cos(q_li, z_i)`, the teacher z detached."""
    return byol(q, jnp.broadcast_to(z[:, None], q.shape))


def sd_teacher(
    layer_loss: Float[Array, "sample layer"],
    prediction_loss: Float[Array, "sample layer"],
    *,
    alpha: Scalar,
    beta: Scalar = 1.0,
) -> Float[Array, " sample"]:
    """Eq. 8, one direction, from the loss of every layer: `L_ssl + alpha L_isd + beta L_pred`.

    L_ssl is the last layer's, L_isd the mean over the others, L_pred the sum over all layers, the last
    included. `prediction_loss` is the same loss with detached projections under the predictors.
    """
    return layer_loss[:, -1] + alpha * _mean(layer_loss[:, :-1]) + beta * jnp.sum(prediction_loss, axis=1)


def sd_byol_first_step(
    layer_loss: Float[Array, "sample layer"],
    prediction_loss: Float[Array, "sample layer"],
    *,
    beta: Scalar = 1.0,
) -> Float[Array, " sample"]:
    """What the authors' BYOL script computes while alpha is 0, in its first step: L_ssl over *all* layers."""
    return _mean(layer_loss) + beta * jnp.sum(prediction_loss, axis=1)


def sd_simclr(
    z: Float[Array, "sample view layer dim"], *, tau: Scalar, alpha: Scalar, impl: str = "auto"
) -> Float[Array, "sample view"]:
    """Eq. 6 for SimCLR: NT-Xent of the last layer plus alpha L_isd; no predictor, no teacher."""
    last = nt_xent(z[:, :, -1], tau=tau, impl=impl)
    return last + alpha * jnp.mean(isd_simclr(z, tau=tau, impl=impl), axis=-1)


def isd_simclr(
    z: Float[Array, "sample view layer dim"], *, tau: Scalar, impl: str = "auto"
) -> Float[Array, "sample view intermediate"]:
    """L_isd of SimCLR (Eq. 5): positive is the final output of the *other* view, detached.

    Contrasts are the final outputs of both views of all samples, but the own view's, which is left out.
    """
    return _to_final(z, _view_ids(z), tau, impl)


def isd_simclr_same_view(
    z: Float[Array, "sample view layer dim"], *, tau: Scalar, impl: str = "auto"
) -> Float[Array, "sample view intermediate"]:
    """The ablation of App. C: positive is the final output of the *same* view; the other view's is left out.

    Two views. (The paper does not say what becomes of the other view: it mirrors L_isd here.)
    """
    return _to_final(z, _view_ids(z)[:, ::-1], tau, impl)


def _to_final(z, left_out, tau, impl):
    """Intermediate rows against final rows; each anchor leaves out the final row that `left_out` names."""
    samples, views, layers, dim = z.shape
    instance = jnp.repeat(jnp.arange(samples), views)
    final = lax.stop_gradient(z[:, :, -1]).reshape(-1, dim)
    contrasts = Rows(final, _view_ids(z).reshape(-1), instance)
    middle = z[:, :, :-1].reshape(-1, dim)
    anchors = Rows(middle, *(jnp.repeat(i, layers - 1) for i in (left_out.reshape(-1), instance)))
    return l_out(anchors, contrasts, tau=tau, impl=impl).reshape(samples, views, layers - 1)


def _view_ids(z):
    samples, views = z.shape[:2]
    return jnp.arange(samples * views).reshape(samples, views)


def _mean(layer_loss):
    # A single layer has no intermediate ones: an empty mean counts 0.
    return jnp.sum(layer_loss, axis=1) / max(layer_loss.shape[1], 1)
