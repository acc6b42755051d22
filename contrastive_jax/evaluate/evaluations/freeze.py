"""From a run to a frozen encoder with its features, which are computed once and kept in the run directory."""

import dataclasses
import functools
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import contrastive_jax
from contrastive_jax.augment import Recipe
from contrastive_jax.data.encoded import ImageSet
from contrastive_jax.errors import InputError
from contrastive_jax.evaluate.accuracy import ordered
from contrastive_jax.evaluate.cost import costs
from contrastive_jax.evaluate.evaluations.frozen import Features, Frozen, Rows
from contrastive_jax.evaluate.features import make_extract
from contrastive_jax.evaluate.selection import check_finite, holdout_split
from contrastive_jax.evaluate.settings import Evaluations
from contrastive_jax.evaluate.stored import of_images, stored
from contrastive_jax.experiment import Experiment, compute_dtype
from contrastive_jax.linear_eval import (
    Restored,
    judged_data,
    judged_on,
    labelled,
    other_classes,
    restored,
    still,
)
from contrastive_jax.methods import Method
from contrastive_jax.train.checksums import checksums, of_host
from contrastive_jax.train.run_directory import RunDirectory, git_revision
from contrastive_jax.train.state import TrainState

OWN = "logits of "
"""Comes before an exit's name where the run's own classifier speaks."""


class Part(NamedTuple):
    """One split to judge on."""

    source: str
    split: str
    images: ImageSet


def freeze(experiment: Experiment, run: RunDirectory, settings: Evaluations) -> tuple[Frozen, dict[str, Any]]:
    """The run's encoder on the images that the settings name, and what identifies both in a record.

    Raises InputError for a run without the checkpoint, or images that it cannot be judged on.
    """
    seen = experiment.open(experiment.data.train_split)
    parts = judged_parts(experiment, settings)
    check_parts(parts, settings.holdout)
    train, test = parts["train"].images, parts["test"].images
    encoder = restored(experiment, run, settings, seen)
    recipe = experiment.recipe_for(train)
    extract = make_extract(
        functools.partial(see, encoder.method), recipe, encoder.mesh, batch_size=settings.batch_size
    )
    of_encoder = encoder_key(experiment, encoder, recipe)

    def arrays(part: Part) -> Features:
        def compute() -> dict[str, np.ndarray]:
            return still(extract, encoder.trained, part.images.in_memory())

        if not settings.keep_features:
            return compute()
        key = of_encoder | {"images": of_images(part.images)}
        return stored(run.path / "features" / folder_name(settings.judged, part, encoder), key, compute)

    def views(seed: int) -> Features:
        pictures, key = test.in_memory(), jax.random.key(seed)
        state = encoder.trained
        return representations(
            extract(state.params, state.collections, pictures.images, key, pictures.extents)
        )

    def own() -> tuple[Features, Features]:
        known, tested = (logits(joined(found, names)) for names in (("train", "held"), ("test",)))
        missing = (
            other_classes(seen, test, settings) if known else "this run trained no classifier of its own"
        )
        if missing:
            raise InputError(f"{missing}: judge logistic regression, with classifier=logistic.")
        return known, tested

    found = {name: arrays(part) for name, part in parts.items()}
    check_finite(*found.values())
    frozen = Frozen(
        train=representations(joined(found, ("train", "held"))),
        train_labels=np.concatenate(
            [parts[name].images.labels for name in ("train", "held") if name in parts]
        ),
        test=representations(found["test"]),
        test_labels=test.labels,
        classes=train.num_classes,
        split=functools.partial(rows, parts, settings.holdout),
        own=own,
        views=views,
        macs=functools.partial(macs, encoder),
    )
    images = {
        name: {"source": p.source, "split": p.split, "count": len(p.images)} for name, p in parts.items()
    }
    return frozen, {"step": int(encoder.trained.step), "images": images, "classes": train.num_classes}


def judged_parts(experiment: Experiment, settings: Evaluations) -> dict[str, Part]:
    """`train`, `test` and, if the settings name one, `held`."""
    data, (train, test) = judged_data(experiment, settings), judged_on(experiment, settings)
    parts = {
        "train": Part(data.source, settings.train_split or data.train_split, train),
        "test": Part(data.source, settings.test_split or data.test_split, test),
    }
    if settings.held_split:
        held = labelled(experiment, data, settings.held_split)
        parts["held"] = Part(data.source, settings.held_split, held)
    return parts


def check_parts(parts: Mapping[str, Part], holdout: float) -> None:
    """Refuses sets of other classes than the training set's, and one too small for a slice."""
    train = parts["train"]
    for part in parts.values():
        if part.images.num_classes > train.images.num_classes:
            raise InputError(
                f"'{part.split}' of '{part.source}' has {part.images.num_classes} classes, and the classifiers learn"
                f" {train.images.num_classes} from '{train.split}': give splits of the same classes."
            )
    if "held" not in parts and len(train.images) * holdout < 1:
        raise InputError(
            f"{len(train.images)} training images are too few to hold out a share of {holdout}: raise"
            " --config.holdout, or give --config.held_split."
        )


def see(method: Method, params: Any, collections: Any, images: Any) -> dict[str, Any]:
    """Representations of every exit, and logits of the method's own classifiers."""
    logits = method.logits(params, collections, images)
    return {**method.features(params, collections, images), **{OWN + exit: z for exit, z in logits.items()}}


def representations(found: Features) -> Features:
    """What is not a classifier's, in order of depth."""
    return {name: found[name] for name in ordered(found) if not name.startswith(OWN)}


def logits(found: Features) -> Features:
    """The classifiers', by exit."""
    exits = ordered(name.removeprefix(OWN) for name in found if name.startswith(OWN))
    return {exit: found[OWN + exit] for exit in exits}


def joined(found: Mapping[str, Features], names: tuple[str, ...]) -> Features:
    """The rows of several parts, as far as there are such parts."""
    sets = [found[name] for name in names if name in found]
    if len(sets) == 1:  # not copied, since it may be larger than the memory
        return sets[0]
    return {name: np.concatenate([each[name] for each in sets]) for name in sets[0]}


def rows(parts: Mapping[str, Part], holdout: float, seed: int) -> tuple[Rows, Rows]:
    """Rows to train on and to choose on: the part `held` if there is one, else a random share of the training set."""
    if "held" not in parts:
        return holdout_split(parts["train"].images.labels, holdout, seed)
    kept = len(parts["train"].images)
    return np.arange(kept), np.arange(kept, kept + len(parts["held"].images))


def macs(encoder: Restored, groups: Mapping[str, tuple[str, ...]]) -> dict[str, int]:
    """Multiply-adds per image of reaching all exits of each group."""

    def reach(params, collections, images):
        exits = encoder.method.features(params, collections, images)
        return {name: [exits[exit] for exit in group] for name, group in groups.items()}

    state, image = encoder.trained, jax.ShapeDtypeStruct((1, *encoder.shape), jnp.float32)
    found = costs(reach, state.params, state.collections, image)
    return {name: found[name].macs for name in groups}


def encoder_key(experiment: Experiment, encoder: Restored, recipe: Recipe) -> dict[str, Any]:
    """All that features depend on but the images: weights, network, preprocessing, precision and code."""
    return {
        "step": int(encoder.trained.step),
        "weights": weights(encoder.trained),
        "network": experiment.config["network"],
        "method": experiment.config["method"],
        "augment": dataclasses.asdict(recipe),
        "precision": jnp.dtype(compute_dtype(experiment.run.precision)).name,
        "backend": jax.default_backend(),
        "jax": jax.__version__,
        "contrastive_jax": f"{contrastive_jax.__version__} {git_revision()}".strip(),
    }


def weights(state: TrainState) -> int:
    """A checksum of all parameters and statistics."""
    sums = checksums((state.params, state.collections))
    return of_host(np.asarray([*sums.values()], np.uint32))


def folder_name(judged: str, part: Part, encoder: Restored) -> str:
    """For readers: what is inside is told by the key."""
    words = f"step{int(encoder.trained.step)}-{judged}-{part.source[-60:]}-{part.split}"
    return re.sub(r"\W+", "-", words).strip("-")
