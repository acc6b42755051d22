"""Lower bounds on mutual information from a score matrix: row i, column j scores x_i with y_j.

The diagonal holds pairs of the joint distribution, the rest pairs of the marginals. All bounds are in nats and are
maximised in training. Sources: InfoNCE (van den Oord et al., 2018), DV/MINE (Belghazi et al., 2018), NWJ, JS (Poole
et al., 2019), SMILE (Song & Ermon, 2020), multi-label CPC (Song & Ermon, 2020).
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from contrastive_jax.losses._checks import checked

__all__ = ["cpc", "donsker_varadhan", "infonce", "jensen_shannon", "mine", "ml_cpc", "nwj", "smile"]

Scores = Float[Array, "n n"]
Bound = Float[Array, ""]


@checked()
def infonce(f: Scores) -> Bound:
    """InfoNCE (van den Oord et al., 2018): `log n + mean_i ( f_ii - log sum_j e^{f_ij} )`, never above log n.

    Args:
      f: scores.

    Returns:
      The bound.

    Example:
      >>> bool(jnp.allclose(losses.mutual_information.infonce(100 * jnp.eye(4)), jnp.log(4.0)))
      True
    """
    return jnp.log(f.shape[0]) + jnp.mean(jnp.diagonal(f) - jax.nn.logsumexp(f, axis=1))


@checked()
def cpc(f: Scores, *, alpha: float = 1.0) -> Bound:
    """InfoNCE with the positive weighted by alpha (Song & Ermon, 2020): never above log(n / alpha).

    `mean_i ( f_ii - log( alpha/n e^{f_ii} + (n - alpha)/(n (n - 1)) sum_{j != i} e^{f_ij} ) )`

    Args:
      f: scores.
      alpha: weight of the positive; 1 is `infonce`.

    Returns:
      The bound.

    Example:
      >>> bound = losses.mutual_information.cpc(100 * jnp.eye(4), alpha=0.1)
      >>> bool(jnp.allclose(bound, jnp.log(4 / 0.1)))
      True
    """
    return jnp.mean(jnp.diagonal(f) - jax.nn.logsumexp(f + _log_weights(f, alpha), axis=1))


@checked()
def ml_cpc(f: Scores, *, alpha: float = 1.0) -> Bound:
    """Multi-label CPC (Song & Ermon, 2020): as `cpc` with one denominator, the mean over the whole batch.

    Args:
      f: scores.
      alpha: weight of the positive.

    Returns:
      The bound.

    Example:
      >>> bool(jnp.allclose(losses.mutual_information.ml_cpc(jnp.zeros((4, 4))), 0, atol=1e-6))
      True
    """
    n = f.shape[0]
    return jnp.mean(jnp.diagonal(f)) - jax.nn.logsumexp(f + _log_weights(f, alpha)) + jnp.log(n)


@checked()
def donsker_varadhan(f: Scores) -> Bound:
    """Donsker & Varadhan's bound (Belghazi et al., 2018): `mean_i f_ii - log mean_{i != j} e^{f_ij}`.

    Args:
      f: scores.

    Returns:
      The bound.

    Example:
      >>> bool(jnp.allclose(losses.mutual_information.donsker_varadhan(2 * jnp.eye(4)), 2, atol=1e-5))
      True
    """
    return jnp.mean(jnp.diagonal(f)) - _log_mean_exp_marginal(f)


@checked()
def mine(f: Scores, *, average: float | Bound = 1.0, momentum: float = 0.9) -> tuple[Bound, Bound]:
    """MINE (Belghazi et al., 2018): `donsker_varadhan`, with the marginal's gradient divided by a moving average.

    Args:
      f: scores.
      average: `mean_{i != j} e^{f_ij}` of the last batch.
      momentum: share of `average` in the divisor.

    Returns:
      The bound, and this batch's average, to be passed with the next batch.

    Example:
      >>> bound, average = losses.mutual_information.mine(2 * jnp.eye(4))
      >>> bool(jnp.allclose(average, 1, atol=1e-5))
      True
    """
    here = jnp.exp(_log_mean_exp_marginal(f))
    smooth = lax.stop_gradient(jnp.maximum(momentum * average + (1 - momentum) * here, 1e-4))
    gradient = jnp.mean(jnp.diagonal(f)) - here / smooth
    return _value_of(lax.stop_gradient(donsker_varadhan(f)), gradient), here


@checked()
def nwj(f: Scores) -> Bound:
    """Nguyen, Wainwright & Jordan's bound: `1 + mean_i (f_ii - 1) - mean_{i != j} e^{f_ij - 1}`.

    Args:
      f: scores.

    Returns:
      The bound.

    Example:
      >>> bool(jnp.allclose(losses.mutual_information.nwj(jnp.ones((4, 4))), 0, atol=1e-6))
      True
    """
    return jnp.mean(jnp.diagonal(f)) - jnp.exp(_log_mean_exp_marginal(f - 1))


@checked()
def jensen_shannon(f: Scores) -> Bound:
    """The value of `nwj` with the gradient of the Jensen-Shannon objective (Poole et al., 2019).

    Args:
      f: scores.

    Returns:
      The bound.

    Example:
      >>> bool(jnp.allclose(losses.mutual_information.jensen_shannon(jnp.ones((4, 4))), 0, atol=1e-6))
      True
    """
    return _value_of(nwj(f), _js_objective(f))


@checked()
def smile(f: Scores, *, clip: float | None = None) -> Bound:
    """SMILE (Song & Ermon, 2020): Donsker-Varadhan with the marginal's scores clipped to +-clip; JS gradient.

    Args:
      f: scores.
      clip: largest score of the marginal; None: not clipped.

    Returns:
      The bound.

    Example:
      >>> bool(jnp.allclose(losses.mutual_information.smile(2 * jnp.eye(4)), 2, atol=1e-5))
      True
    """
    clipped = f if clip is None else jnp.clip(f, -clip, clip)
    return _value_of(jnp.mean(jnp.diagonal(f)) - _log_mean_exp_marginal(clipped), _js_objective(f))


def _value_of(value: Bound, gradient: Bound) -> Bound:
    """The value of one expression with the gradient of another."""
    return gradient + lax.stop_gradient(value - gradient)


def _js_objective(f):
    """`-mean_i softplus(-f_ii) - mean_{i != j} softplus(f_ij)`."""
    joint = -jnp.mean(jax.nn.softplus(-jnp.diagonal(f)))
    return joint - jnp.sum(jnp.where(_diagonal(f), 0, jax.nn.softplus(f))) / _marginals(f)


def _log_mean_exp_marginal(f):
    return jax.nn.logsumexp(f, where=~_diagonal(f)) - jnp.log(_marginals(f))


def _log_weights(f, alpha: float):
    """log of alpha/n on the diagonal and (n - alpha)/(n (n - 1)) elsewhere: the weights of a row sum to 1."""
    n = f.shape[0]
    return jnp.where(_diagonal(f), jnp.log(alpha / n), jnp.log((n - alpha) / (n * (n - 1))))


def _diagonal(f):
    return jnp.eye(f.shape[0], dtype=bool)


def _marginals(f) -> int:
    return f.shape[0] * (f.shape[0] - 1)
