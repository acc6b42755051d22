"""The similarity engine: row statistics of `A C^T / tau`, one contract, several implementations."""

from contrastive_jax.similarity.contract import PairMask, Rows, RowStats, Scores
from contrastive_jax.similarity.engine import row_kl, row_stats

__all__ = ["PairMask", "Rows", "RowStats", "Scores", "row_kl", "row_stats"]
