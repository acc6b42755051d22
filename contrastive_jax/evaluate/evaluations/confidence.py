"""What the probabilities of a classifier are worth: calibration, and leaving the network early."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from contrastive_jax.errors import InputError, nearest
from contrastive_jax.evaluate import calibration, early_exit
from contrastive_jax.evaluate.accuracy import ENSEMBLE
from contrastive_jax.evaluate.calibration import Scores, mean_of_logits
from contrastive_jax.evaluate.early_exit import NEVER, Cascade, cascade
from contrastive_jax.evaluate.evaluations.classifiers import Logits, Penalised
from contrastive_jax.evaluate.evaluations.frozen import Frozen, Rows
from contrastive_jax.evaluate.figures import Figure, Found, over_seeds, share
from contrastive_jax.models.outputs import FINAL

CLASSIFIERS = ("logistic", "own")


class Case(NamedTuple):
    """One classifier per exit on the slice and on the test set."""

    held_out: Mapping[str, Logits]
    held_out_labels: Rows
    test: Mapping[str, Logits]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Confident(Penalised):
    """A classifier on every exit, of which something is chosen on the held-out slice."""

    classifier: str = "logistic"
    """`logistic`: logistic regression, trained without the slice. `own`: the classifiers that the run trained itself,
    for which `held_split` should name images that they were not trained on."""

    def __post_init__(self):
        super().__post_init__()
        if self.classifier not in CLASSIFIERS:
            raise InputError(f"classifier is '{self.classifier}': {nearest(self.classifier, CLASSIFIERS)}")

    def cases(self, frozen: Frozen) -> list[Case]:
        """One for each seed."""
        slices = [frozen.split(seed)[1] for seed in range(self.repeats)]
        if self.classifier == "own":
            train, test = frozen.own()
            sets = [({exit: np.asarray(z[held]) for exit, z in train.items()}, test) for held in slices]
        else:
            sets = [
                (
                    found.logits({exit: x[held] for exit, x in frozen.train.items()}, kept=True),
                    found.logits(frozen.test, kept=True),
                )
                for held, found in zip(slices, self.fitted(frozen), strict=True)
            ]
        return [
            Case(z, frozen.train_labels[held], test) for held, (z, test) in zip(slices, sets, strict=True)
        ]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Calibration(Confident):
    """ECE, NLL and Brier score before and after a temperature is fitted on the slice."""

    bins: int = calibration.BINS
    """Bins of the ECE, of equal width."""

    caption: ClassVar[str] = "before and after (*) the temperature T, which is fitted on the held-out slice"

    def measure(self, frozen: Frozen) -> Found:
        cases, labels = self.cases(frozen), frozen.test_labels
        table = {
            exit: {"top-1": share([np.argmax(case.test[exit], axis=1) == labels for case in cases])}
            | columns(
                [
                    calibration.calibrate(
                        case.held_out[exit], case.held_out_labels, case.test[exit], labels, bins=self.bins
                    )
                    for case in cases
                ]
            )
            for exit in cases[0].test
        }
        if len(table) > 1:
            table |= self.ensembles(cases, labels)
        tables = {
            exit: reliability_table(calibration.reliability(z, labels, bins=self.bins))
            for exit, z in cases[0].test.items()
        }
        return Found(table, {"reliability_of_seed_0": tables})

    def ensembles(self, cases: list[Case], labels: Rows) -> dict[str, dict[str, Figure]]:
        """Both means of the exits; calibrated after the mean, and before it."""
        found = [calibration.ensemble(*case, labels, bins=self.bins) for case in cases]
        table = {}
        for mean, average in calibration.MEANS.items():
            words = mean.replace("_", " ")
            hits = [np.argmax(average(case.test), axis=1) == labels for case in cases]
            after = [one[mean].average_then_calibrate for one in found]
            table[words] = {"top-1": share(hits)} | columns(after)
            table[f"{words} of calibrated exits"] = marked(
                [one[mean].calibrate_then_average for one in found], "*"
            )
        return table


def columns(found: list[calibration.Calibrated]) -> dict[str, Figure]:
    """The figures of a calibrated classifier, with a star after calibration."""
    before, after = ([getattr(one, when) for one in found] for when in ("before", "after"))
    return {"T": over_seeds([one.temperature for one in found])} | marked(before, "") | marked(after, "*")


def marked(found: list[Scores], mark: str) -> dict[str, Figure]:
    names = ("ECE", "NLL", "Brier")
    return {f"{name}{mark}": over_seeds([one[i] for one in found]) for i, name in enumerate(names)}


def reliability_table(table: calibration.Reliability) -> dict[str, list[Any]]:
    """As JSON can hold it: None for the means of an empty bin."""
    return {
        name: [None if np.isnan(x) else x for x in values.tolist()]
        for name, values in table._asdict().items()
    }


@dataclasses.dataclass(frozen=True, kw_only=True)
class EarlyExit(Confident):
    """Accuracy against multiply-adds: of every exit, and of leaving at the first confident one."""

    points_lost: tuple[float, ...] = (0.0, 0.5, 1.0)
    """Points of the last exit's accuracy on the slice that a threshold may lose there; the cheapest one is taken."""

    caption: ClassVar[str] = (
        "test accuracy in percent, and multiply-adds (threshold above 1: the last exit alone)"
    )

    def measure(self, frozen: Frozen) -> Found:
        cases, labels = self.cases(frozen), frozen.test_labels
        costs = exit_costs(frozen, cases[0].test)
        slices = [costs.cascade(case.held_out, case.held_out_labels) for case in cases]
        tests = [costs.cascade(case.test, labels) for case in cases]
        table = {
            exit: {
                "top-1": share([test.correct[i] for test in tests]),
                "million multiply-adds": Figure(costs.alone[i] / 1e6),
                "percent of final": Figure(100 * costs.alone[i] / costs.alone[-1]),
            }
            for i, exit in enumerate(costs.order)
        }
        table[ENSEMBLE] = {
            "top-1": share([np.argmax(mean_of_logits(case.test), axis=1) == labels for case in cases]),
            "million multiply-adds": Figure(costs.after[-1] / 1e6),
            "percent of final": Figure(100 * costs.after[-1] / costs.alone[-1]),
        }
        curves = [[one.point(t) for t in early_exit.thresholds(one)] for one in slices]
        for lost in self.points_lost:
            chosen = [
                early_exit.cheapest(curve, one.point(NEVER).accuracy - lost).threshold
                for curve, one in zip(curves, slices, strict=True)
            ]
            outcomes = [test.outcome(t) for test, t in zip(tests, chosen, strict=True)]
            spent = np.asarray([outcome.cost.mean() for outcome in outcomes])
            table[f"early, at most {lost:g} points lost on the slice"] = {
                "top-1": share([outcome.hits for outcome in outcomes]),
                "million multiply-adds": over_seeds(spent / 1e6),
                "percent of final": over_seeds(100 * spent / costs.alone[-1]),
                "threshold": over_seeds(chosen),
            }
        curve = [
            {"threshold": held.threshold, "slice": held[1:], "test": tests[0].point(held.threshold)[1:]}
            for held in curves[0]
        ]
        return Found(table, {"curve_of_seed_0": curve, "curve_columns": ["accuracy", "multiply-adds"]})


class ExitCosts(NamedTuple):
    """Multiply-adds per image, cheapest exit first and the backbone last; linear classifiers are included."""

    order: list[str]
    alone: list[int]
    """Of each exit without the others."""
    after: list[int]
    """Of each exit after all earlier ones were asked in vain."""

    def cascade(self, logits: Mapping[str, Logits], labels: Rows) -> Cascade:
        return cascade([logits[exit] for exit in self.order], labels, self.after, self.alone[-1])


def exit_costs(frozen: Frozen, exits: Mapping[str, Any]) -> ExitCosts:
    """What the exits cost, from the program of the network."""
    heads = {exit: frozen.test[exit].shape[1] * frozen.classes for exit in exits}
    alone = {
        exit: macs + heads[exit] for exit, macs in frozen.macs({exit: (exit,) for exit in exits}).items()
    }
    order = sorted(exits, key=lambda exit: (exit == FINAL, alone[exit]))
    until = {exit: tuple(order[: i + 1]) for i, exit in enumerate(order)}
    reached = frozen.macs(until)
    after = [reached[exit] + sum(heads[earlier] for earlier in until[exit]) for exit in order]
    return ExitCosts(order, [alone[exit] for exit in order], after)
