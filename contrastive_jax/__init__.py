"""Contrastive representation learning in JAX: SupCon, SelfCon, SDSSL, MCL and generalized losses."""

__version__ = "0.1.0"
