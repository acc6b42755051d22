"""The device mesh: batches are split along `data`, the networks of a sharded cohort along `cohort`.

All other state is replicated. A method that keeps networks stacked one after the other declares it by the type
`Stack`; the leaves of a stack are split along `cohort` where the mesh has that axis.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from contrastive_jax.errors import InputError

DATA = "data"
COHORT = "cohort"


class Stack(NamedTuple):
    """Equal networks stacked along the first axis of every leaf."""

    peers: Any
    """A pytree of arrays [network, ...]."""


def make_mesh(devices: Sequence[Any] | None = None, *, cohort: int = 1) -> Mesh:
    """A mesh over `devices` (by default all devices of every process).

    Args:
      devices: a subset, for tests and comparisons.
      cohort: groups of devices that hold different networks; with 1, every device holds all of them.

    Raises:
      InputError: `cohort` does not divide the number of devices.
    """
    found = np.array(jax.devices() if devices is None else devices)
    if cohort == 1:
        return Mesh(found, (DATA,), axis_types=(AxisType.Auto,))
    if cohort < 1 or len(found) % cohort:
        raise InputError(f"cohort_devices is {cohort}: it must divide the {len(found)} devices.")
    return Mesh(found.reshape(cohort, -1), (COHORT, DATA), axis_types=(AxisType.Auto,) * 2)


def platform() -> str:
    """What the current mesh's devices are, `cpu`, `gpu` or `tpu`; without a mesh, the default backend.

    A program may be compiled for devices that this machine does not have.
    """
    device = jax.sharding.get_abstract_mesh().abstract_device
    return device.platform if device else jax.default_backend()


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """First dimension split along `data`."""
    return NamedSharding(mesh, PartitionSpec(DATA))


def replicated(mesh: Mesh) -> NamedSharding:
    """A whole copy on every device."""
    return NamedSharding(mesh, PartitionSpec())


def state_sharding(state: Any, mesh: Mesh) -> Any:
    """The sharding of every leaf of a train state: stacks of networks along `cohort`, the rest replicated."""
    along_cohort = PartitionSpec(COHORT) if COHORT in mesh.axis_names else PartitionSpec()

    def of_node(node: Any) -> Any:
        spec = along_cohort if isinstance(node, Stack) else PartitionSpec()
        return jax.tree.map(lambda _: NamedSharding(mesh, spec), node)

    return jax.tree.map(of_node, state, is_leaf=lambda node: isinstance(node, Stack))


def data_devices(mesh: Mesh) -> int:
    """The number of parts into which a batch is split."""
    return mesh.shape[DATA]
