"""Pretraining: `python -m contrastive_jax.main --config=configs/selfcon_s.py --workdir=runs/a`.

Starting the same command again resumes. Any field is overridable: `--config.batch_size=512`.
"""

import pathlib

import jax
from absl import flags

from contrastive_jax import commands
from contrastive_jax.data.batches import check_batch_size, global_batch
from contrastive_jax.data.dataset import Dataset
from contrastive_jax.data.order import batch_indices, steps_per_epoch
from contrastive_jax.errors import InputError
from contrastive_jax.experiment import Experiment, assemble
from contrastive_jax.methods import Batch
from contrastive_jax.parallel.mesh import batch_sharding, make_mesh
from contrastive_jax.train.checkpoint import Checkpoints
from contrastive_jax.train.gradient import check_micro_batches
from contrastive_jax.train.loop import train
from contrastive_jax.train.metrics import MetricWriter
from contrastive_jax.train.run_directory import RunDirectory
from contrastive_jax.train.state import create
from contrastive_jax.train.step import make_step

WORKDIR = flags.DEFINE_string("workdir", "", "Run directory; new, or of the same config to resume.")


def pretrain() -> None:
    if not WORKDIR.value:
        raise InputError("give a run directory: --workdir=runs/a, for example.")
    experiment = assemble(commands.plain_config())
    run = RunDirectory(pathlib.Path(WORKDIR.value))
    run.check(experiment.config)
    dataset = experiment.load(experiment.data.train_split)
    check_batch_size(experiment.run.batch_size, len(dataset.labels), jax.device_count())
    run.open(experiment.config)
    fit(experiment, dataset, run)


def fit(experiment: Experiment, dataset: Dataset, run: RunDirectory) -> None:
    """Trains from the newest checkpoint of `run`, or from the start, to the end."""
    mesh = make_mesh()
    seed, batch_size = experiment.run.seed, experiment.run.batch_size
    size = len(dataset.labels)
    per_epoch = steps_per_epoch(size, batch_size)
    total = experiment.total_steps(size)
    method = experiment.method(num_classes=dataset.num_classes, examples=size)
    schedule = experiment.learning_rate_schedule(per_epoch)
    optimizer = experiment.optimizer.transform(schedule)

    state = create(method, optimizer, seed, experiment.view_shape(dataset), mesh)
    check_micro_batches(experiment.run.micro_batches, batch_size, mesh.size, state.extra)
    run.write_parameters(state.params)
    every = max(1, round(experiment.checkpoint.every_epochs * per_epoch))
    checkpoints = Checkpoints(run.checkpoints, every_steps=every, keep=experiment.checkpoint.keep)
    if checkpoints.latest() is not None:
        state = checkpoints.restore(state)
    if state.step >= total:
        print(f"{run.path} is finished: all {total} steps are done.")
        return
    micro_batches = experiment.run.micro_batches
    recipe = experiment.recipe
    step = make_step(method, optimizer, schedule, recipe, seed=seed, mesh=mesh, micro_batches=micro_batches)
    writer = MetricWriter(run.path, first=int(state.step), total=total, batch_size=batch_size)

    def batch_at(number: int) -> Batch:
        return global_batch(dataset, batch_indices(seed, number, size, batch_size), batch_sharding(mesh))

    try:
        every = experiment.log.every_steps
        report = train(
            step, state, batch_at, total_steps=total, log_every=every, checkpoints=checkpoints, writer=writer
        )
    finally:
        checkpoints.close()
        seconds = writer.close()
    run.write_summary({"steps": total, "epochs": total / per_epoch, "seconds": seconds, "final": report})


if __name__ == "__main__":
    commands.run(pretrain)
