"""Tiles of 8, so that a few rows already make several."""

import pytest

from contrastive_jax.similarity import sweep


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    monkeypatch.setitem(sweep.TILE, "cpu", 8)
