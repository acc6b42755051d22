"""Pretrains an encoder; the same command again resumes the run.

The same command as `python -m contrastive_jax.main`.
"""

from contrastive_jax.main import COMMAND

__all__ = ["COMMAND"]
