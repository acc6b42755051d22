"""Group `transfer`: logistic regression, its penalty chosen on a validation set; `out_coef_16` has lambda number 16."""

import re

import numpy as np
from golden_metric import MetricCase, NotCovered, Within
from scipy.special import softmax

from contrastive_jax.evaluate import logistic, penalties


def logreg(case: MetricCase):
    case.expect(params="objective grid", arrays="in_[Xy](val|test)? in_lambdas out_.*")
    case.choice("objective", "sum CE + (lambda/2)||W||^2, intercept unpenalised, C=1/lambda")
    case.choice("grid", "logspace(-6,5,45)")
    grid = tuple(map(float, case.array("in_lambdas")))
    if not np.allclose(grid, penalties.TRANSFER):
        raise NotCovered("its penalties are not the grid that it names")
    (x, y), (xv, yv), (xt, yt) = (
        (case.array(f"in_X{part}"), case.array(f"in_y{part}")) for part in ("", "val", "test")
    )
    classes = int(y.max()) + 1
    path = logistic.fit(x, y, classes=classes, penalties=grid)
    chosen = penalties.choose(
        logistic.fit,
        np.concatenate([x, xv]),
        np.concatenate([y, yv]),
        classes=classes,
        penalties=grid,
        kept=np.arange(len(x)),
        held=len(x) + np.arange(len(xv)),
    )
    # The case says so itself: with a very small lambda a sample of the validation set may fall on either side.
    slack = np.where(np.asarray(grid) < 1e-3, 1 / len(yv), 0.0)
    whole = {
        "val_acc": Within(np.asarray([*chosen.held_out.values()]) / 100, slack),
        "best_index": grid.index(chosen.penalty),
        "test_acc_retrained": _accuracy(chosen.head, xt, yt),
    }

    def answer(name):
        if name in whole:
            return whole[name]
        found = re.fullmatch(r"(coef|intercept|proba|acc)_(\d+)", name)
        if found is None or int(found[2]) >= len(grid):
            raise NotCovered(f"the quantity '{name}'")
        head = {key: np.asarray(leaf[int(found[2])]) for key, leaf in path.items()}
        return {
            "coef": head["kernel"].T,
            "intercept": head["bias"] - head["bias"].mean(),  # a common shift changes no probability
            "proba": softmax(xt @ head["kernel"] + head["bias"], axis=1),
            "acc": _accuracy(head, xt, yt),
        }[found[1]]

    return {f"out_{name}": answer(name) for name in case.named("out_")}


def _accuracy(head, x, y) -> float:
    return float(np.mean(np.argmax(x @ np.asarray(head["kernel"]) + np.asarray(head["bias"]), axis=1) == y))


STEMS = {"logreg": logreg}
