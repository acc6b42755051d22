"""A check that networks, heads and methods share: a field with a fixed set of values."""

from collections.abc import Iterable

from contrastive_jax.errors import InputError, nearest


def check_choice(field: str, value: str, valid: Iterable[str]) -> None:
    """Raises `InputError`, which suggests the nearest of `valid`, unless `value` is one of them."""
    valid = list(valid)
    if value not in valid:
        raise InputError(f"{field} is '{value}': {nearest(value, valid)}")
