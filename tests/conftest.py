"""Eight fake devices, shape checks at run time, and the golden directories as options."""

import itertools
import os
import pathlib

import jax
import pytest
from jaxtyping import install_import_hook

pytest_plugins = ["golden_report"]

jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_numpy_rank_promotion", "raise")
install_import_hook("contrastive_jax", "typecheck.check")

HERE = pathlib.Path(__file__).parent


# The same small programs are compiled by many tests, in this process and in the commands that tests start.
CACHE = HERE.parent / ".pytest_cache" / "jax"
os.environ |= {
    "XLA_FLAGS": os.environ.get("XLA_FLAGS", "")
    + " --xla_backend_optimization_level=0"  # they run for milliseconds
    + " --xla_cpu_collective_call_terminate_timeout_seconds=300",  # fake devices wait for each other on a busy machine
    "JAX_COMPILATION_CACHE_DIR": str(CACHE),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.2",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}
jax.config.update("jax_compilation_cache_dir", str(CACHE))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


MAPS = pathlib.Path("/proc/self/maps")
finished = itertools.count(1)


def pytest_runtest_teardown():
    """Lets go of compiled programs before there are too many of them.

    Linux gives a process 65,530 memory maps. A compiled training step takes hundreds of them and keeps them for as long
    as JAX keeps the step; the first map too many is a segmentation fault.
    """
    if next(finished) % 10 == 0 and MAPS.exists() and MAPS.read_bytes().count(b"\n") > 30_000:
        jax.clear_caches()


def pytest_addoption(parser):
    parser.addoption("--golden-dir", type=pathlib.Path, help="other golden cases in the same format")


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield
