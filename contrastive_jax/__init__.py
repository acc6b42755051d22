"""Contrastive representation learning in JAX: SupCon, SelfCon, SDSSL, MCL and generalized contrastive losses.

`contrastive_jax.losses` and `contrastive_jax.similarity` are a library: they need only jax, numpy and jaxtyping. The
rest trains and evaluates encoders and needs the extras that `pyproject.toml` lists.
"""

__version__ = "0.1.0"
