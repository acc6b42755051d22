"""Jobs of several processes: starts JAX's distributed runtime, once and before anything touches a device."""

import os

import jax

from contrastive_jax.errors import InputError


def start(coordinator: str = "", processes: int = 0, process: int = -1) -> None:
    """Joins the other processes of the job, if there are any.

    Without a coordinator, a SLURM step or a TPU pod is recognised by its environment, and JAX finds the rest itself.

    Args:
      coordinator: "host:port" of process 0, reachable by all processes.
      processes: how many there are.
      process: which one this is, from 0.

    Raises:
      InputError: a coordinator without valid `processes` and `process`.
    """
    if coordinator:
        if processes < 1 or not 0 <= process < processes:
            raise InputError(
                "--coordinator needs --processes (how many) and --process (which one, from 0), "
                f"got {processes} and {process}."
            )
        jax.distributed.initialize(coordinator, processes, process)
    elif in_slurm_step() or in_tpu_pod():
        jax.distributed.initialize()


def in_slurm_step() -> bool:
    """Whether `srun` started this process together with others."""
    return "SLURM_STEP_NODELIST" in os.environ and int(os.environ.get("SLURM_NTASKS", "1")) > 1


def in_tpu_pod() -> bool:
    """Whether this host shares a Cloud TPU pod slice with others."""
    return "," in os.environ.get("TPU_WORKER_HOSTNAMES", "")


def several() -> bool:
    """Whether the job has several processes."""
    return jax.distributed.is_initialized() and jax.process_count() > 1
