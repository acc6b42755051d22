"""Self-Distilled Self-Supervised Learning: Jang et al., 2023 (WACV). Intermediate layers mimic the final one.

Layers are stacked in depth order, the last layer last. With a teacher, one direction at a time: the loss of two views
is the sum of (q of view 1, z of view 2) and (q of view 2, z of view 1). The authors' factor 2 tau is left to the
method's `loss_scale`.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from contrastive_jax.losses._checks import checked
from contrastive_jax.losses._generalized import nt_xent
from contrastive_jax.losses._teacher import byol
from contrastive_jax.similarity import Rows, Scalar, l_out


class SDTerms(NamedTuple):
    """The three terms of Eq. 8 with a teacher, one direction."""

    ssl: Float[Array, " sample"]
    """L_ssl, of the last layer."""
    isd: Float[Array, "sample intermediate"]
    """L_isd (Eq. 5) of each layer before it."""
    prediction: Float[Array, "sample layer"]
    """L_pred (Eq. 7) of each layer, the last included."""

    @classmethod
    def of_layers(
        cls, layer_loss: Float[Array, "sample layer"], prediction_loss: Float[Array, "sample layer"]
    ) -> "SDTerms":
        """The terms from the loss of every layer.

        Args:
          layer_loss: `layers_contrastive` or `layers_byol` of the predictions.
          prediction_loss: the same loss with detached projections under the predictors, so that only these learn.
        """
        return cls(layer_loss[:, -1], layer_loss[:, :-1], prediction_loss)

    def weighted(self, *, alpha: Scalar, beta: Scalar = 1.0) -> Float[Array, " sample"]:
        """Eq. 8: `L_ssl + alpha * mean over intermediate layers of L_isd + beta * sum over layers of L_pred`."""
        # A single layer has no intermediate ones: an empty mean counts 0.
        isd = jnp.sum(self.isd, axis=1) / max(self.isd.shape[1], 1)
        return self.ssl + alpha * isd + beta * jnp.sum(self.prediction, axis=1)


class SDSimCLRTerms(NamedTuple):
    """The two terms of Eq. 6, SDSSL without a teacher, per anchor."""

    ssl: Float[Array, "sample view"]
    """NT-Xent of the last layer."""
    isd: Float[Array, "sample view intermediate"]
    """L_isd (Eq. 5) of each layer before it."""

    def weighted(self, alpha: Scalar) -> Float[Array, "sample view"]:
        """Eq. 6: `L_ssl + alpha * mean over intermediate layers of L_isd`."""
        return self.ssl + alpha * jnp.mean(self.isd, axis=-1)


@checked("q", "z")
def layers_contrastive(
    q: Float[Array, "sample layer dim"], z: Float[Array, "sample dim"], *, tau: Scalar, impl: str = "auto"
) -> Float[Array, "sample layer"]:
    """Eq. 4 for every layer: `-log( e^{q_li.z_i/tau} / sum_j e^{q_li.z_j/tau} )`.

    All teacher rows of the global batch are contrasts. It is L_ssl of MoCo v3 for the last layer, L_isd (Eq. 5) for the
    others, and L_pred (Eq. 7) for predictions from detached projections.

    Args:
      q: the student's unit-length predictions of all layers.
      z: the teacher's unit-length outputs of the other view; detached.
      tau: temperature.
      impl: as in `supcon`.

    Returns:
      The loss of each layer; `SDTerms.of_layers` names its parts.

    Example:
      >>> q = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 3, 8)))
      >>> losses.layers_contrastive(q, q[:, -1], tau=0.2).shape
      (4, 3)
    """
    return to_keys(q, lax.stop_gradient(z), tau=tau, impl=impl)


@checked()
def layers_byol(
    q: Float[Array, "sample layer dim"], z: Float[Array, "sample dim"]
) -> Float[Array, "sample layer"]:
    """Eq. 3 for every layer: `2 - 2 cos(q_li, z_i)`.

    Args:
      q: the student's predictions of all layers, of any length.
      z: the teacher's outputs of the other view, of any length; detached.

    Returns:
      The loss of each layer; `SDTerms.of_layers` names its parts.

    Example:
      >>> q = jax.random.normal(jax.random.key(0), (4, 3, 8))
      >>> layer_loss = losses.layers_byol(q, q[:, -1])
      >>> losses.SDTerms.of_layers(layer_loss, layer_loss).weighted(alpha=0.7, beta=1.0).shape
      (4,)
    """
    return byol(q, jnp.broadcast_to(z[:, None], q.shape))


@checked("z")
def sd_simclr(z: Float[Array, "sample view layer dim"], *, tau: Scalar, impl: str = "auto") -> SDSimCLRTerms:
    """SD-SimCLR (Eq. 6): NT-Xent of the last layer and L_isd of the others; no predictor, no teacher.

    L_isd (Eq. 5): the positive is the final output of the *other* view. Contrasts are the final outputs of all views of
    all samples, except that of the anchor's own view. Final outputs are detached in it.

    Args:
      z: unit-length outputs of all layers.
      tau: temperature.
      impl: as in `supcon`.

    Returns:
      Both terms per anchor; `.weighted(alpha)` adds them.

    Example:
      >>> z = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 2, 3, 8)))
      >>> terms = losses.sd_simclr(z, tau=0.2)
      >>> terms.ssl.shape, terms.isd.shape, terms.weighted(0.7).shape
      ((4, 2), (4, 2, 2), (4, 2))
    """
    return SDSimCLRTerms(nt_xent(z[:, :, -1], tau=tau, impl=impl), _to_final(z, _view_ids(z), tau, impl))


@checked("z")
def sd_simclr_same_view(
    z: Float[Array, "sample 2 layer dim"], *, tau: Scalar, impl: str = "auto"
) -> SDSimCLRTerms:
    """The ablation of App. C: L_isd's positive is the final output of the *same* view; the other view's is left out.

    The paper does not say what becomes of the other view; this mirrors L_isd of `sd_simclr`.

    Args:
      z: unit-length outputs of all layers, two views.
      tau: temperature.
      impl: as in `supcon`.

    Returns:
      Both terms per anchor; `.weighted(alpha)` adds them.

    Example:
      >>> z = losses.l2_normalize(jax.random.normal(jax.random.key(0), (4, 2, 3, 8)))
      >>> losses.sd_simclr_same_view(z, tau=0.2).isd.shape
      (4, 2, 2)
    """
    left_out = _view_ids(z)[:, ::-1]
    return SDSimCLRTerms(nt_xent(z[:, :, -1], tau=tau, impl=impl), _to_final(z, left_out, tau, impl))


def to_keys(
    q: Float[Array, "sample layer dim"], z: Float[Array, "sample dim"], *, tau: Scalar, impl: str
) -> Float[Array, "sample layer"]:
    """Eq. 4 for every layer, with the gradient of both sides."""
    samples, layers, dim = q.shape
    instance = jnp.arange(samples)
    of_row = jnp.repeat(instance, layers)
    anchors = Rows.of_keys(q.reshape(-1, dim), of_row)
    contrasts = Rows.of_keys(z, instance)
    return l_out(anchors, contrasts, tau=tau, impl=impl).reshape(samples, layers)


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
