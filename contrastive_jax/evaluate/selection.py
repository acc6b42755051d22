"""The linear evaluation as it is reported: learning rates chosen on a slice of the training set, then one test.

With several candidates, all are trained on the training set without the slice. Each exit takes the rate that is best on
the slice, the ensemble of exits the rate that is best for all exits together. Of rates with equal accuracy, the one
with the lowest cross-entropy on the slice wins: a supervised encoder was trained on the slice, and several rates may
classify all of it correctly. The chosen rates are then trained on the whole training set. The headline is the last
epoch. Test accuracy after every epoch is kept only to print its maximum as `best_test_epoch`; nothing reads it.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from contrastive_jax.errors import InputError
from contrastive_jax.evaluate.accuracy import ENSEMBLE, TOP, hits, with_ensemble
from contrastive_jax.evaluate.linear import Epoch, Features, Heads, fit, logits
from contrastive_jax.evaluate.protocol import Protocol

ROWS_AT_A_TIME = 2048


@dataclasses.dataclass(frozen=True)
class LinearResult:
    """Accuracies in percent, under the exits' names and `ensemble`; curves have one value per epoch."""

    rate: dict[str, float]
    top1: dict[str, float]
    top5: dict[str, float]
    held_out: dict[str, dict[float, float]]
    """Top-1 on the held-out slice for every candidate rate; empty if there was only one."""
    held_out_loss: dict[str, dict[float, float]]
    """The mean cross-entropy there, which decides between rates of equal accuracy."""
    train_loss: dict[str, list[float]]
    train_top1: dict[str, list[float]]
    best_test_epoch: dict[str, tuple[int, float, float]]
    """The epoch (counted from 1) of the highest test top-1, with its top-1 and top-5: printed, never used."""
    heads: dict[str, Heads]
    """The classifiers behind each name: {exit: {"kernel": [dim, classes], "bias": [classes]}}."""


def evaluate(
    train: Features | Callable[[int], Features],
    train_labels: Int[np.ndarray, " n"],
    test: Features,
    test_labels: Int[np.ndarray, " m"],
    *,
    classes: int,
    protocol: Protocol,
    clean: Features | None = None,
    heads: Heads | None = None,
    on_epoch: Callable[[str, Epoch], None] = lambda stage, epoch: None,
) -> LinearResult:
    """Chooses the rates, trains with them on the whole training set and tests after the last epoch.

    Args:
        train: {exit: [n, dim]}, or a function of the epoch that returns it, for augmented images.
        clean: features of the training images without augmentation, to choose the rate on; default `train`.
        heads: initial heads; by default the protocol's.
        on_epoch: called with `select` or `train` and the epoch just finished.
    """
    check_finite(test if callable(train) else train, test)
    first = protocol.learning_rates[0]
    shared = {"classes": classes, "protocol": protocol, "heads": heads}
    if len(protocol.learning_rates) > 1:
        kept, slice_ = holdout_split(train_labels, protocol.holdout, protocol.seed)
        if clean is None and not callable(train):
            clean = train
        if clean is None:
            raise InputError(
                "choosing a learning rate needs the training features without augmentation: pass `clean`."
            )
        for epoch in fit(train, train_labels, rows=kept, **shared):
            on_epoch("select", epoch)
        part = {exit: x[slice_] for exit, x in clean.items()}
        held_out = by_rate(epoch.heads, part, train_labels[slice_], protocol)
        rate = {name: best_rate(*scores) for name, scores in held_out.items()}
    else:
        held_out = {}
        rate = dict.fromkeys(with_ensemble_name(test), first)
    rates = tuple(sorted(set(rate.values())))
    epochs, tests = [], []
    for epoch in fit(train, train_labels, rates=rates, **shared):
        on_epoch("train", epoch)
        epochs.append(Epoch(epoch.index, {}, *jax.device_get(epoch[2:])))
        tests.append(accuracy(epoch.heads, test, test_labels, normalize=protocol.normalize))
    return _result(rate, rates, held_out, epochs, tests, epoch.heads)


def best_rate(top1: dict[float, float], loss: dict[float, float]) -> float:
    """The rate with the highest accuracy on the slice; of several, the one with the lowest loss that is a number."""
    return max(top1, key=lambda rate: (top1[rate], -np.nan_to_num(loss[rate], nan=np.inf)))


def with_ensemble_name(exits: Iterable[str]) -> list[str]:
    """The names under which accuracies are reported."""
    names = [*exits]
    return [*names, ENSEMBLE] if len(names) > 1 else names


def holdout_split(
    labels: Int[np.ndarray, " n"], share: float, seed: int
) -> tuple[Int[np.ndarray, " kept"], Int[np.ndarray, " held"]]:
    """Row numbers to train on and to choose on: a random `share` of the rows, classes in proportion."""
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    quota = np.floor(np.arange(1, len(labels) + 1) * share + 1e-9)  # each time it grows, a row is held out
    held = np.diff(quota, prepend=0.0) > 0
    if not held.any() or held.all():
        raise InputError(
            f"holdout={share} of {len(labels)} training examples leaves nothing to choose a learning rate on "
            "or nothing to train on; change holdout or give a single learning rate."
        )
    return np.sort(by_class[~held]), np.sort(by_class[held])


def check_finite(*sets: Features) -> None:
    """Refuses features with NaN or infinite values: every classifier on them would be meaningless."""
    for exit, x in (item for features in sets for item in features.items()):
        if not np.isfinite(np.asarray(x)).all():
            raise InputError(
                f"the features of the exit '{exit}' hold values that are not finite: the encoder diverged."
            )


def by_rate(
    heads: Heads, features: Features, labels, protocol: Protocol
) -> dict[str, tuple[dict[float, float], dict[float, float]]]:
    """{exit or `ensemble`: ({rate: top-1 in percent}, {rate: mean cross-entropy})}."""
    scores = accuracy(heads, features, labels, normalize=protocol.normalize)
    losses = jax.device_get(_sums(cross_entropy, heads, features, labels, normalize=protocol.normalize))

    def named(values: np.ndarray) -> dict[float, float]:
        return dict(zip(protocol.learning_rates, map(float, values)))

    return {name: (named(top[0]), named(losses[name] / len(labels))) for name, top in scores.items()}


def accuracy(
    heads: Heads, features: Features, labels: Int[Array | np.ndarray, " n"], *, normalize: bool = False
) -> dict[str, Float[np.ndarray, "top *rates"]]:
    """Top-1 and top-5 in percent for each exit and the ensemble."""
    counts = jax.device_get(_sums(top_hits, heads, features, labels, normalize=normalize))
    return {name: 100 * count / len(labels) for name, count in counts.items()}


def top_hits(scores: Float[Array, "*rates n classes"], labels: Int[Array, " n"]) -> Array:
    """Whether the label is among the 1 and the 5 best, [top, *rates, n]."""
    return jnp.stack([hits(scores, labels, k) for k in TOP], axis=0)


def cross_entropy(scores: Float[Array, "*rates n classes"], labels: Int[Array, " n"]) -> Array:
    """Of every row, [*rates, n]."""
    target = jnp.broadcast_to(jax.nn.one_hot(labels, scores.shape[-1], dtype=scores.dtype), scores.shape)
    return optax.losses.softmax_cross_entropy(scores, target)


@functools.partial(jax.jit, static_argnums=0, static_argnames=("normalize",))
def _sums(measure, heads, features, labels, *, normalize: bool) -> dict[str, Array]:
    """The measure summed over the rows, in blocks, so that the logits of a large set are never in memory at once."""

    def of_row(row):
        x, label = row
        scores = logits(heads, {exit: value[None] for exit, value in x.items()}, normalize=normalize)
        return {name: measure(z, label[None])[..., 0] for name, z in with_ensemble(scores).items()}

    found = jax.lax.map(of_row, (features, labels), batch_size=ROWS_AT_A_TIME)
    return jax.tree.map(lambda rows: jnp.sum(rows, axis=0), found)


def _result(rate, rates, held_out, epochs, tests, heads) -> LinearResult:
    column = {name: rates.index(r) for name, r in rate.items()}
    exits = list(heads)
    curve = {
        name: np.asarray([test[name][:, i] for test in tests]) for name, i in column.items()
    }  # [epoch, top]
    return LinearResult(
        rate=rate,
        top1={name: float(values[-1, 0]) for name, values in curve.items()},
        top5={name: float(values[-1, 1]) for name, values in curve.items()},
        held_out={name: top1 for name, (top1, _) in held_out.items()},
        held_out_loss={name: loss for name, (_, loss) in held_out.items()},
        train_loss={exit: [float(e.loss[exit][column[exit]]) for e in epochs] for exit in exits},
        train_top1={exit: [float(e.accuracy[exit][column[exit]]) for e in epochs] for exit in exits},
        best_test_epoch={name: _best(values) for name, values in curve.items()},
        heads={
            name: {
                exit: jax.tree.map(lambda leaf, i=i: leaf[i], heads[exit])
                for exit in (exits if name == ENSEMBLE else [name])
            }
            for name, i in column.items()
        },
    )


def _best(curve: Float[np.ndarray, "epochs top"]) -> tuple[int, float, float]:
    """(epoch counted from 1, top-1, top-5) where top-1 is highest."""
    epoch = int(np.argmax(curve[:, 0]))
    return epoch + 1, float(curve[epoch, 0]), float(curve[epoch, 1])
