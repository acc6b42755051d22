"""Multinomial logistic regression on frozen features by L-BFGS, over a grid of penalties.

    minimise over W, b:  sum over rows of cross_entropy(x W + b, label) + (penalty / 2) |W|^2,  the intercept b free

This is the objective of scikit-learn with C = 1 / penalty, and of the published protocols (Chen et al. 2020, B.8;
DINOv3). `penalties.py` holds their grids and chooses from them. The grid is one compiled program: from the strongest
penalty to the weakest, each fit starts from the one before. The fits see centred features, which changes only the
intercept and spares L-BFGS steps where a feature's mean exceeds its spread.
"""

import functools
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from contrastive_jax.evaluate.penalties import Head, check

STEPS = 1000
TOLERANCE = 1e-6


def fit(
    x: Float[Array | np.ndarray, "n dim"],
    labels: Int[Array | np.ndarray, " n"],
    *,
    classes: int,
    penalties: tuple[float, ...],
    steps: int = STEPS,
    tolerance: float = TOLERANCE,
) -> Head:
    """Classifiers for all penalties.

    Args:
      x: features, held on the device in float32 (float64 under x64).
      labels: classes, from 0.
      classes: number of classes; a class without rows is allowed.
      penalties: weights of |W|^2 / 2, positive, in any order.
      steps: the most L-BFGS steps for each penalty.
      tolerance: a fit ends when no partial derivative of its objective exceeds this share of the objective, or when
        rounding keeps a step from lowering it.

    Returns:
      {"kernel": [penalties, dim, classes], "bias": [penalties, classes]}, in the order of `penalties`.

    Raises:
      InputError: labels outside the classes, or a penalty that is not positive.

    Warns:
      UserWarning: for the penalties at which `steps` did not suffice.
    """
    check(labels, classes, penalties)
    order = np.argsort(penalties)[::-1]
    strong_to_weak = jnp.asarray(np.asarray(penalties)[order], float)
    head, taken = _path(
        jnp.asarray(x).astype(float), jnp.asarray(labels), strong_to_weak, classes, steps, tolerance
    )
    back = np.argsort(order)
    if unfinished := [penalties[i] for i in np.flatnonzero(np.asarray(taken)[back] >= steps)]:
        names = ", ".join(f"{penalty:.3g}" for penalty in unfinished)
        warnings.warn(f"L-BFGS stopped after {steps} steps at the penalties {names}.", stacklevel=2)
    return jax.tree.map(lambda leaf: leaf[back], head)


@functools.partial(jax.jit, static_argnames=("classes", "steps", "tolerance"))
def _path(
    x, labels, penalties, classes: int, steps: int, tolerance: float
) -> tuple[Head, Int[Array, " penalties"]]:
    """The classifiers for penalties that fall, and the steps that each took."""
    mean = jnp.mean(x, axis=0, keepdims=True)
    centred = x - mean

    def following(start, penalty):
        end, taken = _minimise(centred, labels, penalty, start, steps, tolerance)
        return end, (end, taken)

    zero = {"kernel": jnp.zeros((x.shape[1], classes), x.dtype), "bias": jnp.zeros(classes, x.dtype)}
    _, (head, taken) = jax.lax.scan(following, zero, penalties)
    shift = jnp.einsum("nd,pdc->pc", mean, head["kernel"], precision=jax.lax.Precision.HIGHEST)
    return head | {"bias": head["bias"] - shift}, taken


def _minimise(x, labels, penalty, start: Head, steps: int, tolerance: float) -> tuple[Any, Int[Array, ""]]:
    """The classifier for one penalty, and the steps it took from `start`."""
    optimizer = optax.lbfgs()

    def objective(head: Head) -> Float[Array, ""]:
        """Divided by the number of rows, so that float32 carries it for any number of them."""
        z = jnp.matmul(x, head["kernel"], precision=jax.lax.Precision.HIGHEST) + head["bias"][None]
        loss = jnp.mean(optax.losses.softmax_cross_entropy_with_integer_labels(z, labels))
        return loss + penalty / (2 * x.shape[0]) * jnp.sum(head["kernel"] ** 2)

    def step(carry):
        head, state, value, gradient, taken, _ = carry
        updates, state = optimizer.update(
            gradient, state, head, value=value, grad=gradient, value_fn=objective
        )
        # The line search has evaluated the objective where it ends.
        after, slope = optax.tree.get(state, "value"), optax.tree.get(state, "grad")
        largest = jnp.max(jnp.stack([jnp.max(jnp.abs(leaf)) for leaf in jax.tree.leaves(slope)], axis=0))
        done = (largest <= tolerance * after) | ~(after < value)
        return optax.apply_updates(head, updates), state, after, slope, taken + 1, done

    def goes_on(carry):
        *_, taken, done = carry
        return ~done & (taken < steps)

    value, gradient = jax.value_and_grad(objective)(start)
    begin = (start, optimizer.init(start), value, gradient, jnp.zeros((), int), jnp.zeros((), bool))
    head, *_, taken, _ = jax.lax.while_loop(goes_on, step, begin)
    return head, taken
