"""Evaluates the frozen encoder of a pretraining run.

    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py --config.pretrained=runs/a

Measures the classifiers that the run trained itself, if it did, trains a linear classifier per exit and their ensemble,
and takes k-NN votes. The controls are the untrained encoder and logistic regression on raw pixels. The results go to
`linear_eval/` in the run directory.

With `--config=configs/linear_eval.py:own` nothing is trained, and the results go to `own_classifier/`.
"""

import sys

if __name__ == "__main__":  # first, so that a package that is missing is reported in a sentence
    from contrastive_jax.__main__ import main

    sys.exit(main(["linear_eval", *sys.argv[1:]]))

import dataclasses
import functools
import pathlib
import time
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh
from tqdm import tqdm

from contrastive_jax.augment import Recipe, canvas_side, geometry_only
from contrastive_jax.config.flags import Command
from contrastive_jax.config.schema import build
from contrastive_jax.config.sections import EVALUATION
from contrastive_jax.data.dataset import Dataset
from contrastive_jax.data.encoded import ImageSet
from contrastive_jax.data.sources import open_split
from contrastive_jax.data.split import MissingSplit
from contrastive_jax.errors import InputError
from contrastive_jax.evaluate import baselines, knn, own_classifier
from contrastive_jax.evaluate.accuracy import ordered
from contrastive_jax.evaluate.features import Extract, accuracy_table, fingerprint, make_extract, seen_pixels
from contrastive_jax.evaluate.linear import Epoch, Features
from contrastive_jax.evaluate.protocol import Protocol
from contrastive_jax.evaluate.selection import LinearResult, evaluate
from contrastive_jax.evaluate.settings import Evaluation, Judgement
from contrastive_jax.experiment import Data, Experiment, assemble, part
from contrastive_jax.methods import Method
from contrastive_jax.parallel.mesh import make_mesh
from contrastive_jax.train.checkpoint import Checkpoints
from contrastive_jax.train.run_directory import RunDirectory
from contrastive_jax.train.state import TrainState, create


def judge(config: dict[str, Any]) -> None:
    """Writes what the evaluation of `config` finds into the run that it names, and prints the accuracies."""
    settings, protocol = parts(config)
    if jax.process_count() > 1:
        raise InputError(
            "the linear evaluation runs in one process: start it once, without --coordinator or srun."
        )
    run = RunDirectory(pathlib.Path(settings.pretrained))
    experiment = assemble(run.config())
    record = RunDirectory(run.path / settings.folder, elsewhere="choose another --config.folder")
    with record.open(config):
        started = time.perf_counter()
        found = judge_run(experiment, run, settings, protocol)
        record.write_summary({**found, "seconds": time.perf_counter() - started})
    own = found.get("own_classifier", {})
    print(f"\n{run.path} at step {found['step']}: test accuracy in percent")
    print(accuracy_table(found["top1"] | in_order("own classifier top-5", own.get("top5", {}))))
    if "not_measured" in own:
        print(f"Not measured: {own['not_measured']}.")
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
    seen = experiment.open(experiment.data.train_split)
    train, test = judged_on(experiment, settings)
    method, mesh, shape, untrained, trained = restored(experiment, run, settings, seen)
    recipe, size = classifier_recipe(experiment.recipe_for(train), protocol), settings.batch_size
    has_own = own_classifier.has_classifier(method, trained, shape)
    missing = other_classes(seen, test, settings) if has_own else "this run trained no classifier of its own"
    if missing and not (settings.linear or settings.knn):
        raise InputError(f"{missing}: set --config.linear=True, or judge with another protocol.")
    test = test.in_memory()
    top1, details = {}, {"own_classifier": {"not_measured": missing}} if has_own else {}
    if not missing:
        extract = make_extract(method.logits, recipe, mesh, batch_size=size)
        own = own_classifier.accuracy(still(extract, trained, test), test.labels)
        top1, details = in_order("own classifier", own["top1"]), {"own_classifier": own}
    if settings.linear or settings.knn:
        extract = make_extract(method.features, recipe, mesh, batch_size=size)
        of_features, more = judge_features(
            trained,
            untrained,
            settings,
            protocol,
            extract=extract,
            recipe=recipe,
            train=train.in_memory(),
            test=test,
        )
        top1, details = top1 | of_features, details | more
    return {"step": int(trained.step), "top1": top1, **details}


class Restored(NamedTuple):
    """A run's encoder, as the settings judge it."""

    method: Method
    mesh: Mesh
    shape: tuple[int, int, int]
    """Height, width and channels of what the networks see."""
    untrained: TrainState
    trained: TrainState


def restored(experiment: Experiment, run: RunDirectory, settings: Judgement, seen: ImageSet) -> Restored:
    """The checkpoint that the settings name. seen: the images that the run was trained on."""
    mesh, shape = make_mesh(), experiment.view_shape(seen)
    method = experiment.method(num_classes=seen.num_classes, labels=seen.labels)
    optimizer = experiment.transform(method, experiment.learning_rate_schedule(1.0))
    untrained = create(method, optimizer, experiment.run.seed, shape, mesh)
    checkpoints = Checkpoints(run.checkpoints, read_only=True)
    trained = checkpoints.restore(untrained, None if settings.step < 0 else settings.step)
    checkpoints.close()
    return Restored(
        method, mesh, shape, *(judged_state(method, state, settings) for state in (untrained, trained))
    )


def judge_features(
    trained: TrainState,
    untrained: TrainState,
    settings: Evaluation,
    protocol: Protocol,
    *,
    extract: Extract,
    recipe: Recipe,
    train: Dataset,
    test: Dataset,
) -> tuple[dict[str, float], dict[str, Any]]:
    """What is measured on frozen features, and on the controls: top-1 by name, and the linear evaluation's details."""
    top1, details = {}, {}
    linear = functools.partial(judge_linearly, extract=extract, train=train, test=test, protocol=protocol)
    before = fingerprint((trained.params, trained.collections))
    if settings.linear:
        result, clean, tested = linear(trained, name="trained encoder")
        top1, details = in_order("linear", result.top1), report(result)
    else:
        clean, tested = (still(extract, trained, data) for data in (train, test))
    if fingerprint((trained.params, trained.collections)) != before:
        raise RuntimeError("the linear evaluation changed the encoder that it judges")
    if settings.knn:
        classes = train.num_classes
        votes = knn.accuracy(clean, train.labels, tested, test.labels, classes=classes, ks=settings.knn)
        for k in settings.knn:
            top1 |= in_order(f"{k}-NN", {name: by_k[k][0] for name, by_k in votes.items()})
    if settings.linear and settings.controls:
        control, _, _ = linear(untrained, name="untrained encoder")
        top1 |= in_order("untrained encoder, linear", control.top1)
        top1["raw pixels, logistic regression"] = baselines.pixel_logistic_regression(
            seen_pixels(recipe, train), train.labels, seen_pixels(recipe, test), test.labels
        )
    return top1, details


def judged_state(method: Method, state: TrainState, settings: Judgement) -> TrainState:
    """The state as it is, or with the teacher's parameters and collections in place of the student's."""
    if settings.judged == "student":
        return state
    params, collections = method.of_teacher(state.params, state.collections, state.method_state)
    return state._replace(params=params, collections=collections)


def classifier_recipe(recipe: Recipe, protocol: Protocol) -> Recipe:
    """What the images of the classifiers' training go through: the pretraining's crops and flips, or the protocol's."""
    geometry = geometry_only(recipe)
    if not protocol.crop_scale:
        return geometry
    return dataclasses.replace(geometry, crop_scale=protocol.crop_scale, crop_ratio=(3 / 4, 4 / 3), pad=0)


def judged_on(experiment: Experiment, settings: Judgement) -> tuple[ImageSet, ImageSet]:
    """The training and test images of the judgement."""
    data = judged_data(experiment, settings)
    train, test = (
        labelled(experiment, data, split)
        for split in (settings.train_split or data.train_split, settings.test_split or data.test_split)
    )
    return train, test


def judged_data(experiment: Experiment, settings: Judgement) -> Data:
    """The run's data set, or the one that the settings name."""
    if not settings.source:
        return experiment.data
    return Data(source=settings.source, data_dir=settings.data_dir, image_size=experiment.data.image_size)


def labelled(experiment: Experiment, data: Data, split: str) -> ImageSet:
    """One split to judge on. Raises InputError where it is missing or has no labels."""
    try:
        images = open_split(
            data.source, split, data.data_dir, data.image_size, canvas_side(experiment.recipe)
        )
    except MissingSplit as error:
        raise InputError(
            f"in '{data.source}' {error} Give --config.train_split and --config.test_split, for example"
            " train[:90%] and train[90%:] (which tests on pictures that the encoder may have been trained on)."
        ) from error
    if not images.labelled:
        raise InputError(
            f"'{images.name}' has no labels to judge with: give --config.source, a set that has."
        )
    return images


def other_classes(seen: ImageSet, test: ImageSet, settings: Judgement) -> str:
    """Why a classifier of the classes of `seen` cannot be measured on `test`; empty if it can.

    Class numbers mean the same in the run's own data set alone, which may come from another source under its name.
    """
    own = not settings.source or seen.name == test.name
    if own and seen.num_classes == test.num_classes:
        return ""
    return f"the run's own classifier knows the classes of '{seen.name}', not those of '{test.name}'"


def still(extract: Extract, state: TrainState, data: Dataset) -> dict[str, np.ndarray]:
    """What `extract` finds for the images as they are, without augmentation."""
    return extract(state.params, state.collections, data.images, extents=data.extents)


def judge_linearly(
    state: TrainState, *, name: str, extract: Extract, train: Dataset, test: Dataset, protocol: Protocol
) -> tuple[LinearResult, Features, Features]:
    """The protocol on one encoder; also its features of the training and test images as they are."""
    clean, tested = (still(extract, state, data) for data in (train, test))

    def augmented(epoch: int) -> Features:
        key = jax.random.fold_in(jax.random.key(protocol.seed), epoch)
        return extract(state.params, state.collections, train.images, key, train.extents)

    with tqdm(desc=f"linear evaluation, {name}", unit="epoch", disable=None) as bar:

        def advance(stage: str, epoch: Epoch) -> None:
            bar.update()

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
    return result, clean, tested


def in_order(what: str, by_exit: dict[str, float]) -> dict[str, float]:
    """Sub-networks in depth order, then the backbone, then the ensemble, each with what was measured."""
    return {f"{what}, {name}": by_exit[name] for name in ordered(by_exit)}


def report(result: LinearResult) -> dict[str, Any]:
    """Everything but the classifiers. `best_test_epoch` is only ever printed under that name."""
    found = dataclasses.asdict(dataclasses.replace(result, heads={}))
    del found["heads"], found["top1"]
    return found


COMMAND = Command("linear_eval", __doc__, judge, config=EVALUATION)
