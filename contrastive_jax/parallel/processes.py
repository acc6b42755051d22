"""Several processes: JAX's own distributed runtime, started once before anything touches a device."""

import os

import jax

from contrastive_jax.errors import InputError


def start(coordinator: str = "", processes: int = 0, process: int = -1) -> None:
    """Joins the other processes of the job, if there are any.

    With a `coordinator` ("host:port"), `processes` and this one's number `process`, these are used. Without,
    SLURM steps and TPU pods are recognised by their environment, and JAX finds the rest itself.
    """
    if coordinator:
        if processes < 1 or not 0 <= process < processes:
            raise InputError(
                "--coordinator needs --processes (how many) and --process (from 0 to one less),"
                f" not {processes} and {process}."
            )
        jax.distributed.initialize(coordinator, processes, process)
    elif in_slurm_step() or in_tpu_pod():
        jax.distributed.initialize()


def in_slurm_step() -> bool:
    """Whether `srun` started this process as one of several."""
    return "SLURM_STEP_NODELIST" in os.environ and int(os.environ.get("SLURM_NTASKS", "1")) > 1


def in_tpu_pod() -> bool:
    """Whether this host is one of several of a Cloud TPU pod slice."""
    return "," in os.environ.get("TPU_WORKER_HOSTNAMES", "")


def several() -> bool:
    """Whether this process belongs to a job of several."""
    return jax.distributed.is_initialized() and jax.process_count() > 1
