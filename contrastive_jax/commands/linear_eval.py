"""Evaluates the frozen encoder of a run with linear classifiers and k-NN.

The same command as `python -m contrastive_jax.linear_eval`.
"""

from contrastive_jax.linear_eval import COMMAND

__all__ = ["COMMAND"]
