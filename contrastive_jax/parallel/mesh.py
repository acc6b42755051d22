"""The device mesh: batches are split along `data`; the networks of a sharded cohort along `cohort`.

All other state is replicated. What lies under the name `peers` in a state is a stack, one network after the other,
split along `cohort` where the mesh has that axis.
"""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from contrastive_jax.errors import InputError

DATA = "data"
COHORT = "cohort"
PEERS = "peers"


def make_mesh(devices: Sequence[Any] | None = None, *, cohort: int = 1) -> Mesh:
    """A mesh over `devices` (all of them, of every process, unless told otherwise).

    cohort: groups of devices that hold different networks; 1: every device holds all of them.
    """
    found = np.array(jax.devices() if devices is None else devices)
    if cohort == 1:
        return Mesh(found, (DATA,), axis_types=(AxisType.Auto,))
    if cohort < 1 or len(found) % cohort:
        raise InputError(f"cohort_devices is {cohort}: it must divide the {len(found)} devices.")
    return Mesh(found.reshape(cohort, -1), (COHORT, DATA), axis_types=(AxisType.Auto,) * 2)


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """First dimension split along `data`."""
    return NamedSharding(mesh, PartitionSpec(DATA))


def replicated(mesh: Mesh) -> NamedSharding:
    """A whole copy on every device."""
    return NamedSharding(mesh, PartitionSpec())


def state_sharding(state: Any, mesh: Mesh) -> Any:
    """Where every leaf of a train state lives: stacks of networks along `cohort`, the rest everywhere."""

    def of_leaf(path, leaf):
        names = jax.tree_util.keystr(path, simple=True, separator="/").split("/")
        split = COHORT in mesh.axis_names and PEERS in names
        return NamedSharding(mesh, PartitionSpec(COHORT) if split else PartitionSpec())

    return jax.tree_util.tree_map_with_path(of_leaf, state)


def data_devices(mesh: Mesh) -> int:
    """Parts into which a batch is split."""
    return mesh.shape[DATA]
