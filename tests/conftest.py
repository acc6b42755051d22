"""Eight fake devices, shape checks at run time, and the golden directories as options."""

import pathlib

import jax
import pytest
from jaxtyping import install_import_hook

pytest_plugins = ["golden_report"]

jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_numpy_rank_promotion", "raise")
install_import_hook("contrastive_jax", "beartype.beartype")

HERE = pathlib.Path(__file__).parent


def pytest_addoption(parser):
    parser.addoption("--golden-dir", type=pathlib.Path, help="other golden cases in the same format")


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield
