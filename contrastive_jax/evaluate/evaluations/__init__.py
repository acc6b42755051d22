"""The evaluations of `evaluate`: what each measures of a frozen encoder, with its settings as fields.

An evaluation is a frozen dataclass with a `caption`, the line above its table, and `measure(frozen) -> Found`.
"""

from typing import Any

from contrastive_jax.evaluate.evaluations.classifiers import KNN, FewShot, Logistic, Ridge
from contrastive_jax.evaluate.evaluations.confidence import Calibration, EarlyExit
from contrastive_jax.evaluate.evaluations.embedding import Geometry, Retrieval

EVALUATIONS: dict[str, Any] = {
    "knn": KNN,
    "logistic": Logistic,
    "ridge": Ridge,
    "few_shot": FewShot,
    "calibration": Calibration,
    "early_exit": EarlyExit,
    "retrieval": Retrieval,
    "geometry": Geometry,
}
"""The class of each section of the config."""
