"""Linear evaluation: softmax regression on frozen features, all learning rates and exits in one program.

    heads[exit] = {"kernel": [rates, dim, classes], "bias": [rates, classes]}
    loss = mean over the batch of the cross-entropy of features @ kernel + bias

The heads are independent: training them together equals training each of them alone. `fit` runs the epochs on
precomputed features, or on features recomputed for each epoch (augmented images); `train_step` is the same step on one
batch of features. `protocol.py` says how the classifiers are trained, `selection.py` how a learning rate is chosen.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from contrastive_jax.evaluate.accuracy import hits
from contrastive_jax.evaluate.protocol import Protocol
from contrastive_jax.losses import l2_normalize
from contrastive_jax.train.schedules import scaled_peak

Features = Mapping[str, Float[Array | np.ndarray, "_ _"]]
Heads = dict[str, dict[str, Array | np.ndarray]]
PerExit = dict[str, Float[Array, " rates"]]


class HeadState(NamedTuple):
    """Every leaf has the learning rates as its first axis."""

    heads: Heads
    opt_state: Any


class Epoch(NamedTuple):
    """The heads after one epoch, and means over its batches, each taken before its update."""

    index: int
    heads: Heads
    loss: PerExit
    accuracy: PerExit
    """Top-1 on the training set, in percent."""


def fit(
    features: Features | Callable[[int], Features],
    labels: Int[Array | np.ndarray, " n"],
    *,
    classes: int,
    protocol: Protocol,
    rates: tuple[float, ...] | None = None,
    rows: Int[np.ndarray, " m"] | None = None,
    heads: Heads | None = None,
) -> Iterator[Epoch]:
    """Trains the heads and yields after each epoch.

    Args:
        features: {exit: [n, dim]}, or a function of the epoch that returns them, for augmented images.
        labels: class of each row.
        rates: learning rates instead of the protocol's.
        rows: the rows to train on (default: all), in the order used when the protocol does not shuffle.
        heads: initial heads, {exit: {"kernel": [dim, classes], "bias": [classes]}}; by default the protocol's.
    """
    features_of = features if callable(features) else functools.partial(_same, _on_device(features))
    rates = protocol.learning_rates if rates is None else rates
    rows = np.arange(len(labels)) if rows is None else rows
    labels, current = jnp.asarray(labels), features_of(0)
    dims = {exit: x.shape[-1] for exit, x in current.items()}
    state = init_state(init_heads(dims, classes, protocol) if heads is None else heads, rates, protocol)
    for epoch in range(protocol.epochs):
        current = features_of(epoch) if epoch else current
        state, loss, accuracy = train_epoch(
            state,
            peaks(rates, protocol),
            current,
            labels,
            *_batches(rows, epoch, protocol),
            protocol=protocol,
            steps_per_epoch=-(-len(rows) // protocol.batch_size),
        )
        yield Epoch(epoch, state.heads, loss, accuracy)


def logits(
    heads: Heads, features: Features, *, normalize: bool = False
) -> dict[str, Float[Array, "*rates n classes"]]:
    """features @ kernel + bias per exit; heads with or without a leading axis of rates."""

    def of_exit(head, x):
        x = _inputs(x, normalize)
        scores = jnp.einsum("nd,...dc->...nc", x, head["kernel"], precision=jax.lax.Precision.HIGHEST)
        return scores + jnp.broadcast_to(head["bias"][..., None, :], scores.shape)

    return {exit: of_exit(heads[exit], x) for exit, x in features.items()}


def init_heads(dims: dict[str, int], classes: int, protocol: Protocol) -> Heads:
    """{exit: {"kernel": [dim, classes], "bias": [classes]}}; each exit has its own draws."""

    def of_exit(number, dim):
        rng, kernel, bias = np.random.default_rng((protocol.seed, number)), (dim, classes), (classes,)
        limit = dim**-0.5
        draws = {
            "torch": lambda: (rng.uniform(-limit, limit, kernel), rng.uniform(-limit, limit, bias)),
            "zeros": lambda: (np.zeros(kernel), np.zeros(bias)),
            "normal": lambda: (0.01 * rng.normal(size=kernel), np.zeros(bias)),
            "glorot": lambda: (rng.uniform(-1, 1, kernel) * (6 / (dim + classes)) ** 0.5, np.zeros(bias)),
        }
        return {
            name: leaf.astype(np.float32) for name, leaf in zip(("kernel", "bias"), draws[protocol.init]())
        }

    return {exit: of_exit(number, dims[exit]) for number, exit in enumerate(sorted(dims))}


@functools.partial(jax.jit, static_argnames=("rates", "protocol"))
def init_state(heads: Heads, rates: tuple[float, ...], protocol: Protocol) -> HeadState:
    """The same start for every learning rate."""
    heads = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf[None], (len(rates), *leaf.shape)), heads)
    init = protocol.optimizer.transform(optax.constant_schedule(0.0)).init
    return HeadState(heads, jax.vmap(init)(heads))


@functools.partial(jax.jit, static_argnames=("protocol", "steps_per_epoch"))
def train_step(
    state: HeadState,
    peaks: Float[Array, " rates"],
    features: Features,
    labels: Int[Array, " batch"],
    weights: Float[Array, " batch"],
    *,
    protocol: Protocol,
    steps_per_epoch: int,
) -> tuple[HeadState, PerExit, PerExit]:
    """One step of all heads on one batch of features; rows of weight 0 are ignored.

    Returns the state, and per exit the sums over the batch of the loss and of the hits before the update.
    """

    def of_rate(peak, heads, opt_state):
        schedule = protocol.schedule.schedule(peak, epochs=protocol.epochs, steps_per_epoch=steps_per_epoch)
        gradient, sums = jax.grad(_loss, has_aux=True)(heads, features, labels, weights, protocol)
        updates, opt_state = protocol.optimizer.transform(schedule).update(gradient, opt_state, heads)
        heads = jax.tree.map(jnp.add, heads, updates)
        return HeadState(heads, opt_state), *sums

    return jax.vmap(of_rate)(peaks, *state)


@functools.partial(jax.jit, static_argnames=("protocol", "steps_per_epoch"))
def train_epoch(
    state: HeadState,
    peaks: Float[Array, " rates"],
    features: Features,
    labels: Int[Array, " n"],
    batches: Int[Array | np.ndarray, "steps batch"],
    weights: Float[Array | np.ndarray, "steps batch"],
    *,
    protocol: Protocol,
    steps_per_epoch: int,
) -> tuple[HeadState, PerExit, PerExit]:
    """`train_step` over the batches (row numbers, with weights); returns means over the epoch."""

    def step(state, batch):
        rows, weights = batch
        taken = {exit: jnp.asarray(x)[rows] for exit, x in features.items()}
        state, *sums = train_step(
            state, peaks, taken, labels[rows], weights, protocol=protocol, steps_per_epoch=steps_per_epoch
        )
        return state, sums

    state, sums = jax.lax.scan(step, state, (batches, weights))
    loss, hit = jax.tree.map(lambda s: jnp.sum(s, axis=0) / jnp.sum(weights), sums)
    return state, loss, jax.tree.map(lambda share: 100 * share, hit)


def _on_device(features: Features) -> Features:
    return jax.tree.map(jnp.asarray, features)


def _same(features: Features, epoch: int) -> Features:
    return features


def _loss(heads, features, labels, weights, protocol):
    scores = logits(heads, features, normalize=protocol.normalize)
    weights = jnp.asarray(weights)

    def sums(z):
        target = jax.nn.one_hot(labels, z.shape[-1], dtype=z.dtype)
        target = optax.smooth_labels(target, protocol.label_smoothing)
        loss = optax.losses.softmax_cross_entropy(z, target)
        return jnp.sum(weights * loss), jnp.sum(weights * hits(z, labels, 1))

    loss, hit = ({exit: sums(z)[i] for exit, z in scores.items()} for i in range(2))
    return sum(jax.tree.leaves(loss)) / jnp.sum(weights), (loss, hit)


def _batches(rows: np.ndarray, epoch: int, protocol: Protocol) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers and weights [steps, batch] of an epoch; the last is padded with rows of weight 0."""
    if protocol.shuffle:
        rows = np.random.default_rng((protocol.seed, epoch)).permutation(rows)
    missing = -len(rows) % protocol.batch_size
    shape = (-1, protocol.batch_size)
    weights = np.concatenate([np.ones(len(rows), np.float32), np.zeros(missing, np.float32)])
    return np.concatenate([rows, np.zeros(missing, rows.dtype)]).reshape(shape), weights.reshape(shape)


def peaks(rates: tuple[float, ...], protocol: Protocol) -> Float[Array, " rates"]:
    """The rates that the schedule starts from, scaled by the protocol's rule."""
    return jnp.asarray([scaled_peak(r, protocol.lr_scaling, batch_size=protocol.batch_size) for r in rates])


def _inputs(x, normalize: bool) -> Array:
    x = jnp.asarray(x).astype(float)
    return l2_normalize(x) if normalize else x
