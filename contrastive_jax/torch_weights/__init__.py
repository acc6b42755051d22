"""Weights in exchange with PyTorch: our variables to a state dict and back, under the names of other codebases.

`from_torch` and `to_torch` convert between variables and a state dict `{name: array}`. `files` reads and writes state
dicts, and `names` holds one table of names per codebase and network family.
"""

from contrastive_jax.torch_weights.convert import from_torch, to_torch

__all__ = ["from_torch", "to_torch"]
