"""Optimizers by name: frozen dataclasses that build an optax transformation from a learning-rate schedule.

They combine pieces of optax so that each reproduces the code that its paper's authors ran; the golden cases of the
group tfopt and of the linear evaluations show it. g is the gradient, w the parameter.

`weight_decay` acts on the parameters chosen by two fields: `decay`, `all` or only `kernels` (two or more
dimensions: no biases, no normalisation scales), and `exclude`, regular expressions searched in the
parameter's path (`encoder/block1/conv/kernel`), which take parameters out.
"""

import dataclasses
import re
from typing import Any

import jax
import optax

from contrastive_jax.errors import InputError, nearest
from contrastive_jax.parallel.mesh import Stack


@dataclasses.dataclass(frozen=True)
class SGD:
    """Heavy-ball momentum with coupled weight decay: g += weight_decay w; v = momentum v + g; w -= lr v.

    Nesterov: w -= lr (g + momentum v), in the form of torch and of TensorFlow's MomentumOptimizer.
    """

    momentum: float = 0.9
    """Decay of the momentum buffer."""
    nesterov: bool = False
    """Look ahead by one step of momentum."""
    weight_decay: float = 0.0
    """Coupled weight decay (an L2 penalty)."""
    decay: str = "all"
    """Parameters that decay: `all`, or `kernels` (two or more dimensions: no biases, no normalisation scales)."""
    exclude: tuple[str, ...] = ()
    """Regular expressions: parameters whose path matches one do not decay."""

    def __post_init__(self):
        _check_decay(self.decay)

    def transform(self, schedule: optax.Schedule) -> optax.GradientTransformation:
        return optax.chain(
            _weight_decay(self),
            optax.trace(self.momentum, self.nesterov),
            optax.scale_by_learning_rate(schedule),
        )


@dataclasses.dataclass(frozen=True)
class LARS:
    """Layer-wise adaptive rates (You et al. 2017), as in SimCLR's lars_optimizer.

    g += weight_decay w; trust = trust_coefficient |w| / |g|, or 1 where either norm is 0; parameters without
    weight decay have no trust ratio either.

    trust_on: `gradient`: v = momentum v + lr trust g; w -= v (SimCLR). `momentum`: v = momentum v + g, and
        the ratio is taken with v: w -= lr trust v (the form of most other codes).
    """

    momentum: float = 0.9
    """Decay of the momentum buffer."""
    nesterov: bool = False
    """Look ahead by one step of momentum."""
    weight_decay: float = 1e-6
    """Coupled weight decay (an L2 penalty)."""
    trust_coefficient: float = 0.001
    """Factor on the trust ratio."""
    trust_on: str = "gradient"
    """What the trust ratio divides by: the norm of the `gradient` or of the `momentum`."""
    decay: str = "kernels"
    """Parameters that decay: `all`, or `kernels` (two or more dimensions: no biases, no normalisation scales)."""
    exclude: tuple[str, ...] = ()
    """Regular expressions: parameters whose path matches one do not decay."""

    def __post_init__(self):
        _check_decay(self.decay)
        if self.trust_on not in ("gradient", "momentum"):
            raise InputError(
                f"LARS has no trust_on '{self.trust_on}': {nearest(self.trust_on, ('gradient', 'momentum'))}"
            )

    def transform(self, schedule: optax.Schedule) -> optax.GradientTransformation:
        trust = optax.masked(
            optax.scale_by_trust_ratio(trust_coefficient=self.trust_coefficient),
            _mask(self.decay, self.exclude),
        )
        lr = optax.scale_by_learning_rate(schedule)
        momentum = optax.trace(self.momentum, self.nesterov)
        if self.trust_on == "gradient":
            return optax.chain(_weight_decay(self), trust, lr, momentum)
        return optax.chain(_weight_decay(self), momentum, trust, lr)


@dataclasses.dataclass(frozen=True)
class AdamW:
    """Adam with decoupled decay (Loshchilov, Hutter 2019): w -= lr (m / (sqrt(v) + eps) + weight_decay w)."""

    b1: float = 0.9
    """Decay of the first moment."""
    b2: float = 0.999
    """Decay of the second moment."""
    eps: float = 1e-8
    """Added to the root of the second moment."""
    weight_decay: float = 0.1
    """Decoupled weight decay, times the learning rate."""
    decay: str = "kernels"
    """Parameters that decay: `all`, or `kernels` (two or more dimensions: no biases, no normalisation scales)."""
    exclude: tuple[str, ...] = ()
    """Regular expressions: parameters whose path matches one do not decay."""

    def __post_init__(self):
        _check_decay(self.decay)

    def transform(self, schedule: optax.Schedule) -> optax.GradientTransformation:
        return optax.chain(
            optax.scale_by_adam(self.b1, self.b2, self.eps),
            _weight_decay(self),
            optax.scale_by_learning_rate(schedule),
        )


@dataclasses.dataclass(frozen=True)
class RMSProp:
    """TensorFlow 1's RMSProp: s = rate s + (1 - rate) g^2; v = momentum v + lr g / sqrt(s + eps); w -= v.

    s starts at one, eps is inside the root and lr inside the momentum buffer (SupCon's linear stage:
    eps 0.001). Weight decay is coupled, as in SGD.
    """

    rate: float = 0.9
    """Decay of the second moment."""
    momentum: float = 0.9
    """Decay of the momentum buffer."""
    eps: float = 0.001
    """Added to the second moment, inside the root."""
    weight_decay: float = 0.0
    """Coupled weight decay (an L2 penalty)."""
    decay: str = "all"
    """Parameters that decay: `all`, or `kernels` (two or more dimensions: no biases, no normalisation scales)."""
    exclude: tuple[str, ...] = ()
    """Regular expressions: parameters whose path matches one do not decay."""

    def __post_init__(self):
        _check_decay(self.decay)

    def transform(self, schedule: optax.Schedule) -> optax.GradientTransformation:
        return optax.chain(
            _weight_decay(self),
            optax.scale_by_rms(self.rate, self.eps, initial_scale=1.0, eps_in_sqrt=True),
            optax.scale_by_learning_rate(schedule),
            optax.trace(self.momentum),
        )


def per_network(inner: optax.GradientTransformation) -> optax.GradientTransformation:
    """`inner` for every network of a `Stack` separately.

    So a norm, a trust ratio or a rule on a parameter's dimensions means what it means for a single network.
    """

    def init(params: Any) -> Any:
        return Stack(jax.vmap(inner.init)(params.peers))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        moved, new = jax.vmap(inner.update)(updates.peers, state.peers, params.peers)
        return Stack(moved), Stack(new)

    return optax.GradientTransformation(init, update)


def _weight_decay(fields: SGD | LARS | AdamW | RMSProp) -> optax.GradientTransformation:
    if fields.weight_decay == 0.0:
        return optax.identity()
    return optax.add_decayed_weights(fields.weight_decay, _mask(fields.decay, fields.exclude))


def _mask(decay: str, exclude: tuple[str, ...]):
    """A function of the parameter tree that says which leaves are decayed (and adapted, in LARS)."""

    def chosen(path, leaf) -> bool:
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        return (decay == "all" or leaf.ndim > 1) and not any(re.search(word, name) for word in exclude)

    return lambda params: jax.tree_util.tree_map_with_path(chosen, params)


def _check_decay(decay: str) -> None:
    if decay not in ("all", "kernels"):
        raise InputError(
            f"weight decay applies to 'all' or 'kernels', not '{decay}': {nearest(decay, ('all', 'kernels'))}"
        )
