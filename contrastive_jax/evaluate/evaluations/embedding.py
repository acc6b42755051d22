"""What the embedding of the test set looks like, without a classifier: retrieval and geometry."""

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
import numpy as np

from contrastive_jax.errors import InputError
from contrastive_jax.evaluate import hypersphere, monitor, retrieval
from contrastive_jax.evaluate.evaluations.frozen import Frozen
from contrastive_jax.evaluate.figures import Figure, Found, over_seeds, share
from contrastive_jax.losses import l2_normalize


@dataclasses.dataclass(frozen=True, kw_only=True)
class Retrieval:
    """Every test example retrieves the others: precision at 1, R-precision, MAP@R; NMI of k-means."""

    repeats: int = 3
    """Starts of k-means."""

    caption: ClassVar[str] = "test set in percent; NMI from 0 to 1"

    def measure(self, frozen: Frozen) -> Found:
        if self.repeats < 1:
            raise InputError(f"retrieval.repeats is {self.repeats}: give at least 1.")
        table = {}
        for exit, x in frozen.test.items():
            found = retrieval.ranked(x, frozen.test_labels)
            clusters = [retrieval.nmi(x, frozen.test_labels, seed=seed) for seed in range(self.repeats)]
            table[exit] = {
                "precision at 1": share(found.precision_at_1),
                "R-precision": share(found.r_precision),
                "MAP@R": share(found.map_at_r),
                "NMI": over_seeds(clusters),
            }
        return Found(table, {"queries": len(found.map_at_r)})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Geometry:
    """Alignment, uniformity, SDSSL's D, spread and effective rank of the whole test set, without its labels."""

    repeats: int = 3
    """Pairs of augmented views of every image, for the alignment."""

    caption: ClassVar[str] = "L2-normalised features of the test set"

    def measure(self, frozen: Frozen) -> Found:
        if self.repeats < 1:
            raise InputError(f"geometry.repeats is {self.repeats}: give at least 1.")
        pairs = [(frozen.views(2 * seed), frozen.views(2 * seed + 1)) for seed in range(self.repeats)]
        table = {}
        for exit, test in frozen.test.items():
            x = l2_normalize(jnp.asarray(test))
            moved = [[l2_normalize(jnp.asarray(view[exit])) for view in pair] for pair in pairs]
            alignment = np.asarray([hypersphere.alignment(a, b) for a, b in moved])
            apart = float(hypersphere.pair_distance(x))
            table[exit] = {
                "alignment": over_seeds(alignment),
                "uniformity": Figure(float(hypersphere.uniformity(x))),
                "negative alignment": Figure(apart),
                "D": over_seeds(apart - alignment),
                "feature std": Figure(float(monitor.feature_std(x))),
                "RankMe": Figure(float(monitor.rankme(x))),
                "alpha-ReQ": Figure(alpha(x)),
            }
        return Found(table, {})


def alpha(x) -> float:
    """The exponent with which the eigenvalues of the features' covariance decay (Agrawal et al. 2022).

    The slope of the least-squares line through log eigenvalue over log rank, its sign changed. Eigenvalues below
    1e-6 of the largest are rounding and are left out.
    """
    x = np.asarray(x, np.float64)
    values = np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2
    values = values[values > 1e-6 * values[0]]
    if len(values) < 2:
        return float("nan")
    return float(-np.polyfit(np.log(np.arange(1, len(values) + 1)), np.log(values), 1)[0])
