"""Lower bounds on mutual information from a score matrix: row i, column j scores x_i with y_j.

The diagonal holds pairs of the joint distribution, the rest pairs of the marginals. Sources: InfoNCE (van den
Oord et al., 2018), DV/MINE (Belghazi et al., 2018), NWJ, JS (Poole et al., 2019), SMILE (Song & Ermon,
2020), multi-label CPC (Song & Ermon, 2020). All in nats; train by maximising.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

Scores = Float[Array, "n n"]
Bound = Float[Array, ""]


def infonce(f: Scores) -> Bound:
    """`log n + mean_i ( f_ii - log sum_j e^{f_ij} )`; never above log n."""
    return jnp.log(f.shape[0]) + jnp.mean(jnp.diagonal(f) - jax.nn.logsumexp(f, axis=1))


def cpc(f: Scores, *, alpha: float = 1.0) -> Bound:
    """InfoNCE with the positive weighed by alpha: never above log(n / alpha); alpha = 1 is `infonce`."""
    return jnp.mean(jnp.diagonal(f) - jax.nn.logsumexp(f + _log_weights(f, alpha), axis=1))


def ml_cpc(f: Scores, *, alpha: float = 1.0) -> Bound:
    """Multi-label CPC: as `cpc` with one denominator, the mean over the whole batch."""
    n = f.shape[0]
    return jnp.mean(jnp.diagonal(f)) - jax.nn.logsumexp(f + _log_weights(f, alpha)) + jnp.log(n)


def donsker_varadhan(f: Scores) -> Bound:
    """`mean_i f_ii - log mean_{i != j} e^{f_ij}`."""
    return jnp.mean(jnp.diagonal(f)) - _log_mean_exp_marginal(f)


def mine(f: Scores, *, average: float | Bound = 1.0, momentum: float = 0.9) -> tuple[Bound, Bound]:
    """MINE: Donsker-Varadhan's value, with the marginal's gradient divided by a moving average.

    `average` is the last batch's `mean_{i != j} e^{f_ij}`. Returns the bound and this batch's, to be kept.
    """
    here = jnp.exp(_log_mean_exp_marginal(f))
    smooth = lax.stop_gradient(jnp.maximum(momentum * average + (1 - momentum) * here, 1e-4))
    gradient = jnp.mean(jnp.diagonal(f)) - here / smooth
    return _value_of(lax.stop_gradient(donsker_varadhan(f)), gradient), here


def nwj(f: Scores) -> Bound:
    """Nguyen, Wainwright & Jordan: `1 + mean_i (f_ii - 1) - mean_{i != j} e^{f_ij - 1}`."""
    return jnp.mean(jnp.diagonal(f)) - jnp.exp(_log_mean_exp_marginal(f - 1))


def jensen_shannon(f: Scores) -> Bound:
    """NWJ's value with the gradient of the Jensen-Shannon objective."""
    return _value_of(nwj(f), _js_objective(f))


def smile(f: Scores, *, clip: float | None = None) -> Bound:
    """SMILE: Donsker-Varadhan with the marginal's scores clipped to +-clip; JS gradient."""
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
