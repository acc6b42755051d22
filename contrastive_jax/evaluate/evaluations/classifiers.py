"""Classifiers on frozen features: neighbours, prototypes, logistic and ridge regression, few shots."""

import dataclasses
import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from tqdm import tqdm

from contrastive_jax.errors import InputError, nearest
from contrastive_jax.evaluate import few_shot, knn, logistic, penalties, ridge
from contrastive_jax.evaluate.accuracy import ENSEMBLE, mean_per_class
from contrastive_jax.evaluate.calibration import mean_of_logits
from contrastive_jax.evaluate.evaluations.frozen import Features, Frozen, Rows
from contrastive_jax.evaluate.figures import Found, over_seeds, share
from contrastive_jax.evaluate.penalties import Chosen

Logits = Float[np.ndarray, "n classes"]
GRIDS = {"transfer": penalties.TRANSFER, "dinov3": penalties.DINOV3, "vissl": penalties.VISSL}


@dataclasses.dataclass(frozen=True, kw_only=True)
class KNN:
    """Weighted k-nearest neighbours, and the nearest class mean."""

    ks: tuple[int, ...] = (10, 20, 100, 200)
    """Numbers of neighbours that vote."""
    temperature: float = 0.07
    """A neighbour of cosine similarity s has exp(s / temperature) votes."""

    caption: ClassVar[str] = "test accuracy in percent"

    def __post_init__(self):
        if not self.ks or min(self.ks) < 1 or self.temperature <= 0:
            raise InputError("give knn.ks, at least 1 each, and knn.temperature, above 0.")

    def measure(self, frozen: Frozen) -> Found:
        table = {}
        for exit, test in frozen.test.items():
            train, labels = frozen.train[exit], frozen.train_labels
            ranked = knn.predict(
                train, labels, test, classes=frozen.classes, ks=self.ks, tau=self.temperature
            )
            guesses = {f"{k}-NN": np.asarray(best)[:, 0] for k, best in zip(self.ks, ranked)}
            means = few_shot.prototypes(train, labels, classes=frozen.classes)
            guesses["prototypes"] = few_shot.most_similar(means, test)
            guesses["prototypes, Euclidean"] = few_shot.nearest(means, test)
            table[exit] = {name: share(guess == frozen.test_labels) for name, guess in guesses.items()}
        return Found(table, {})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Penalised:
    """A linear classifier on every exit, whose penalty is chosen on the held-out slice."""

    grid: str = "transfer"
    """Penalties to choose from: `transfer` (SimCLR's 45, weak to strong), `dinov3` (the same, reversed) or `vissl`
    (11). Of equally good ones the first wins."""
    penalties: tuple[float, ...] = ()
    """Penalties of your own instead of the grid's."""
    repeats: int = 3
    """Number of slices, drawn with the seeds 0, 1, ..."""

    fit: ClassVar[Callable[..., Any]] = staticmethod(logistic.fit)

    def __post_init__(self):
        if self.grid not in GRIDS:
            raise InputError(f"there is no grid of penalties '{self.grid}': {nearest(self.grid, GRIDS)}")
        if self.repeats < 1:
            raise InputError(f"repeats is {self.repeats}: give at least 1.")

    def fitted(self, frozen: Frozen) -> list["Fitted"]:
        """The classifiers of all exits, for each seed."""
        grid = self.penalties or GRIDS[self.grid]
        seeds = tqdm(range(self.repeats), desc="choosing penalties", unit="slice", disable=None)
        return [fitted(frozen, self.fit, grid, seed) for seed in seeds]

    def accuracy(self, frozen: Frozen) -> Found:
        """Of the classifiers that are trained on the whole training set, once a penalty is chosen."""
        found, labels = self.fitted(frozen), frozen.test_labels
        guesses = [
            {exit: np.argmax(z, axis=1) for exit, z in together(one.logits(frozen.test)).items()}
            for one in found
        ]
        table = {
            exit: {
                "top-1": share([guess[exit] == labels for guess in guesses]),
                "mean per class": over_seeds([mean_per_class(guess[exit], labels) for guess in guesses]),
            }
            for exit in guesses[0]
        }
        return Found(table, {"chosen": [one.report() for one in found]})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Logistic(Penalised):
    """Multinomial logistic regression by L-BFGS."""

    caption: ClassVar[str] = "test accuracy in percent"

    def measure(self, frozen: Frozen) -> Found:
        return self.accuracy(frozen)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ridge(Penalised):
    """Ridge regression onto one-hot labels in closed form."""

    fit: ClassVar[Callable[..., Any]] = staticmethod(ridge.fit)
    caption: ClassVar[str] = "test accuracy in percent"

    def measure(self, frozen: Frozen) -> Found:
        return self.accuracy(frozen)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FewShot:
    """The most similar prototype, from few labels."""

    shots: tuple[int, ...] = (1, 5, 10)
    """Labelled examples per class."""
    shares: tuple[float, ...] = (0.01, 0.1)
    """Shares of the labels, at least one per class."""
    repeats: int = 5
    """Number of draws of the labelled examples."""

    caption: ClassVar[str] = (
        "test accuracy in percent by prototypes, mean and spread over draws of the labels"
    )

    def __post_init__(self):
        if self.repeats < 2:
            raise InputError(f"few_shot.repeats is {self.repeats}: a spread needs at least 2 draws.")

    def measure(self, frozen: Frozen) -> Found:
        labels, how = frozen.train_labels, {"classes": frozen.classes, "draws": self.repeats}
        draws = {f"{n}-shot": [*few_shot.draw_shots(labels, n, **how)] for n in self.shots}
        draws |= {f"{100 * part:g} %": [*few_shot.draw_share(labels, part, **how)] for part in self.shares}
        table = {
            exit: {
                name: share([self.hits(frozen, exit, rows) for rows in drawn])
                for name, drawn in draws.items()
            }
            for exit in frozen.test
        }
        return Found(table, {"labels": {name: len(drawn[0]) for name, drawn in draws.items()}})

    def hits(self, frozen: Frozen, exit: str, rows: Rows) -> Bool[np.ndarray, " test"]:
        """Which test examples are classified correctly from the labels of these rows."""
        train = np.asarray(frozen.train[exit][rows])
        return (
            few_shot.by_prototypes(train, frozen.train_labels[rows], frozen.test[exit]) == frozen.test_labels
        )


class Fitted(NamedTuple):
    """A linear classifier on every exit."""

    by_exit: Mapping[str, Chosen]
    unfinished: tuple[str, ...]
    """Which fits ended before they converged, in words."""

    def logits(self, features: Features, *, kept: bool = False) -> dict[str, Logits]:
        """kept: of the classifiers that have not seen the held-out slice."""
        return {
            exit: scores(features[exit], chosen.kept if kept else chosen.head)
            for exit, chosen in self.by_exit.items()
        }

    def report(self) -> dict[str, Any]:
        """Penalties and accuracies on the slice, as JSON can hold them."""
        exits = {exit: {"penalty": c.penalty, "held_out": c.held_out} for exit, c in self.by_exit.items()}
        return {"exits": exits, "unfinished": self.unfinished}


@functools.lru_cache(maxsize=8)  # several evaluations ask for the same classifiers
def fitted(frozen: Frozen, fit: Callable[..., Any], grid: tuple[float, ...], seed: int) -> Fitted:
    """The classifiers with the penalties that are best on the slice that the seed draws."""
    kept, held = frozen.split(seed)
    how = {"classes": frozen.classes, "penalties": grid, "kept": kept, "held": held}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = {
            exit: penalties.choose(fit, x, frozen.train_labels, **how) for exit, x in frozen.train.items()
        }
    return Fitted(found, tuple(str(warning.message) for warning in caught))


def scores(x: Float[np.ndarray, "n dim"], head: Mapping[str, Any]) -> Logits:
    """Logits of a linear classifier."""
    return x @ np.asarray(head["kernel"]) + np.asarray(head["bias"])


def together(logits: Mapping[str, Logits]) -> dict[str, Logits]:
    """With the mean of the exits' logits, where there are several."""
    return {**logits, ENSEMBLE: mean_of_logits(logits)} if len(logits) > 1 else dict(logits)
