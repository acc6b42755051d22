"""The similarity engine: row statistics of `A C^T / tau`, one contract, several implementations."""

from contrastive_jax.similarity.contract import PairMask, Rows, RowStats, Scores
from contrastive_jax.similarity.contrast import Scalar, l_in, l_out, read, safe
from contrastive_jax.similarity.engine import row_kl, row_stats

__all__ = [
    "PairMask",
    "RowStats",
    "Rows",
    "Scalar",
    "Scores",
    "l_in",
    "l_out",
    "read",
    "row_kl",
    "row_stats",
    "safe",
]
