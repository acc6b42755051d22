"""Linear evaluation, the command:

    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py --config.pretrained=runs/a

Judges the frozen encoder of a pretraining run: a linear classifier per exit and their ensemble, k-NN, and beside
them the untrained encoder and logistic regression on raw pixels. What it found goes to `linear_eval/` in the run.
"""

import dataclasses
import pathlib
import time
from typing import Any

import jax
from tqdm import tqdm

from contrastive_jax import commands
from contrastive_jax.build import build
from contrastive_jax.data.augment import Recipe
from contrastive_jax.errors import InputError
from contrastive_jax.evaluate import baselines, knn
from contrastive_jax.evaluate.accuracy import ENSEMBLE
from contrastive_jax.evaluate.features import accuracy_table, fingerprint, make_extract
from contrastive_jax.evaluate.linear import Epoch
from contrastive_jax.evaluate.protocol import Protocol
from contrastive_jax.evaluate.selection import LinearResult, evaluate
from contrastive_jax.evaluate.settings import Evaluation
from contrastive_jax.experiment import Experiment, assemble, part
from contrastive_jax.models.outputs import FINAL
from contrastive_jax.parallel.mesh import make_mesh
from contrastive_jax.train.checkpoint import Checkpoints
from contrastive_jax.train.run_directory import RunDirectory
from contrastive_jax.train.state import create


def judge() -> None:
    config = commands.plain_config()
    settings, protocol = parts(config)
    if jax.process_count() > 1:
        raise InputError(
            "the linear evaluation runs in one process: start it once, without --coordinator or srun."
        )
    run = RunDirectory(pathlib.Path(settings.pretrained))
    experiment = assemble(run.config())
    record = RunDirectory(run.path / settings.folder, elsewhere="choose another --config.folder")
    record.open(config)
    started = time.perf_counter()
    found = judge_run(experiment, run, settings, protocol)
    record.write_summary({**found, "seconds": time.perf_counter() - started})
    print(f"\n{run.path} at step {found['step']}: test accuracy in percent")
    print(accuracy_table(found["top1"]))
    print(f"Details: {record.path / 'summary.json'}")


def parts(config: dict[str, Any]) -> tuple[Evaluation, Protocol]:
    sections = {"protocol", "optimizer", "schedule"}
    settings = build(Evaluation, "", {key: value for key, value in config.items() if key not in sections})
    if not settings.pretrained:
        raise InputError("give the run to judge: --config.pretrained=runs/a, for example.")
    chosen = {name: part(config, name) for name in ("optimizer", "schedule")}
    return settings, build(Protocol, "protocol", config["protocol"], **chosen)


def judge_run(
    experiment: Experiment, run: RunDirectory, settings: Evaluation, protocol: Protocol
) -> dict[str, Any]:
    """All figures of one run, in percent, ready for its `summary.json`."""
    train, test = experiment.load(experiment.data.train_split), experiment.load(experiment.data.test_split)
    mesh, method = make_mesh(), experiment.method(train.num_classes)
    recipe = crop_and_flip(experiment.recipe)
    extract = make_extract(method, recipe, mesh, batch_size=settings.batch_size)
    untrained = create(
        method,
        experiment.optimizer.transform(lambda step: 0.0),
        experiment.run.seed,
        experiment.view_shape(train),
        mesh,
    )
    checkpoints = Checkpoints(run.checkpoints)
    trained = checkpoints.restore(untrained, None if settings.step < 0 else settings.step)
    checkpoints.close()

    def linear(state, name: str) -> tuple[LinearResult, dict, dict]:
        clean = extract(state.params, state.extra, train.images)
        tested = extract(state.params, state.extra, test.images)
        bar = tqdm(desc=f"linear evaluation, {name}", unit="epoch", disable=None)

        def advance(stage: str, epoch: Epoch) -> None:
            bar.update()

        def augmented(epoch: int):
            key = jax.random.fold_in(jax.random.key(protocol.seed), epoch)
            return extract(state.params, state.extra, train.images, key)

        result = evaluate(
            augmented if protocol.augment == "crop_flip" else clean,
            train.labels,
            tested,
            test.labels,
            classes=train.num_classes,
            protocol=protocol,
            clean=clean,
            on_epoch=advance,
        )
        bar.close()
        return result, clean, tested

    before = fingerprint((trained.params, trained.extra))
    result, clean, tested = linear(trained, "trained encoder")
    if fingerprint((trained.params, trained.extra)) != before:
        raise RuntimeError("the linear evaluation changed the encoder that it judges")
    names = sorted(result.top1, key=lambda name: (name == ENSEMBLE, name == FINAL, name))
    top1 = {f"linear, {name}": result.top1[name] for name in names}
    if settings.knn:
        classes = train.num_classes
        votes = knn.accuracy(clean, train.labels, tested, test.labels, classes=classes, ks=settings.knn)
        exits = [name for name in names if name in votes]
        top1 |= {f"{k}-NN, {name}": votes[name][k][0] for name in exits for k in settings.knn}
    if settings.controls:
        control, _, _ = linear(untrained, "untrained encoder")
        top1 |= {f"untrained encoder, linear, {name}": control.top1[name] for name in names}
        top1["raw pixels, logistic regression"] = baselines.pixel_logistic_regression(
            train.images, train.labels, test.images, test.labels
        )
    return {"step": int(trained.step), "top1": top1, **report(result)}


def crop_and_flip(recipe: Recipe) -> Recipe:
    """The pretraining's geometry without its colors: what a linear classifier is trained on."""
    return dataclasses.replace(recipe, jitter_probability=0.0, gray_probability=0.0)


def report(result: LinearResult) -> dict[str, Any]:
    """Everything but the classifiers. `best_test_epoch` is only ever printed under that name."""
    found = dataclasses.asdict(dataclasses.replace(result, heads={}))
    del found["heads"], found["top1"]
    return found


if __name__ == "__main__":
    commands.run(judge)
