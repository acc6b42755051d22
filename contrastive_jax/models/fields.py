"""What every network says of a field that cannot be."""

from collections.abc import Iterable

from contrastive_jax.errors import InputError, nearest


def check_choice(field: str, value: str, valid: Iterable[str]) -> None:
    """Raises `InputError`, with the nearest of `valid`, where `value` is none of them."""
    valid = list(valid)
    if value not in valid:
        raise InputError(f"network.{field} is '{value}': {nearest(value, valid)}")
