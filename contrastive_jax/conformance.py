"""Conformance of a method: everything that the train step relies on, checked on a tiny network and your devices.

    python -m contrastive_jax selftest --method=my_lab.methods:BarlowTwins

Each check is a function of a method's name or import path that raises AssertionError with a sentence.
"""

import dataclasses
import functools
import pathlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from contrastive_jax.config.presets import pretraining
from contrastive_jax.data.batches import global_batch
from contrastive_jax.data.sources import load
from contrastive_jax.experiment import Experiment, assemble
from contrastive_jax.parallel.mesh import batch_sharding, make_mesh
from contrastive_jax.train.checkpoint import Checkpoints
from contrastive_jax.train.state import TrainState, create
from contrastive_jax.train.step import Training, compile_step

BATCH = 16
IMAGE = (8, 8, 1)
SMALL = {"queue_size": 32, "negatives": 16, "teacher_momentum": 0.9, "predictor_hidden": 16}
"""Fields that are set where a method has them."""


def experiment(method: str, /, **top: Any) -> Experiment:
    """The method on a ResNet-8 of width 4 and 8x8 digits; `top` are fields and sections of the config."""
    config: Any = pretraining(method, "digits,resnet8")
    config.network.update(width=4, subnetworks=("block1",), subnetwork="fc")
    config.head.dim = 8
    config.method.update({field: value for field, value in SMALL.items() if field in config.method})
    config.epochs = 1.0
    config.batch_size = BATCH
    config.learning_rate.peak = 0.05
    config.update(top)
    return assemble(config.to_dict())


class Trial:
    """A method's tiny experiment: its compiled step on some devices, and its batches."""

    def __init__(
        self, name: str, devices: int | Sequence[Any] = 1, seed: int = 0, /, *, cohort: int = 1, **top: Any
    ):
        self.parts = experiment(name, seed=seed, **top)
        chosen = jax.devices()[:devices] if isinstance(devices, int) else devices
        self.mesh = make_mesh(chosen, cohort=cohort)
        self.data = load("digits", "train")
        self.method = self.parts.method(num_classes=self.data.num_classes, labels=self.data.labels)
        schedule = self.parts.learning_rate_schedule(10)
        optimizer = self.parts.transform(self.method, schedule)
        self.training = Training(
            self.method, optimizer, schedule, self.parts.recipe, self.mesh, self.parts.run.micro_batches
        )
        self.step = compile_step(self.training, seed=seed)

    def state(self) -> TrainState:
        """The state before the first step."""
        return create(self.method, self.training.optimizer, self.parts.run.seed, IMAGE, self.mesh)

    def batch(self, number: int) -> dict[str, jax.Array]:
        """The batch of a step."""
        rows = np.arange(number * BATCH, (number + 1) * BATCH)
        return global_batch(self.data, rows, batch_sharding(self.mesh))

    def run(self, steps: int) -> tuple[TrainState, list[dict[str, np.generic]]]:
        """The state after `steps` steps, and the metrics of each."""
        state, metrics = self.state(), []
        for number in range(steps):
            state, found = self.step(state, self.batch(number))
            metrics.append(jax.tree.map(lambda x: x[0], jax.device_get(found)))
        return state, metrics


def trial(name: str, devices: int = 1, seed: int = 0) -> Trial:
    """One trial per combination, so that its step is compiled once for all checks."""
    return _trial(name, devices, seed)  # the cache tells `trial(name)` from `trial(name, 1)`


def devices() -> int:
    """As many of the devices as share a batch evenly."""
    return max(n for n in range(1, len(jax.devices()) + 1) if BATCH % n == 0)


@functools.cache
def _trial(name: str, devices: int, seed: int) -> Trial:
    return Trial(name, devices, seed)


def checks(name: str) -> Iterator[tuple[str, Callable[[], None]]]:
    """(title, check) for everything that applies to the method and to this machine."""
    method = trial(name).method
    for check in CHECKS:
        if check is one_device_equals_several and devices() == 1:
            continue
        if check is micro_batched_equals_whole and method.shuffles:
            continue
        yield (check.__doc__ or check.__name__).partition("\n")[0].rstrip("."), functools.partial(check, name)


def is_documented_and_frozen(name: str) -> None:
    """It is a frozen dataclass with a docstring and at least one view."""
    method = trial(name).method
    words = type(method).__doc__ or ""
    generated = words.startswith(f"{type(method).__name__}(")  # what a dataclass writes where there is none
    assert dataclasses.is_dataclass(method), "it is not a dataclass"
    assert words and not generated, "it has no docstring"
    assert method.views >= 1, f"views is {method.views}"
    try:
        setattr(method, dataclasses.fields(method)[0].name, None)
    except dataclasses.FrozenInstanceError:
        return
    raise AssertionError("its dataclass is not frozen")


class LabelRead(Exception):
    """A method asked for the labels of a batch."""


class Unlabelled(dict):
    """A batch without labels."""

    def __missing__(self, name: str):
        if name == "label":
            raise LabelRead
        raise AssertionError(f"it reads batch[{name!r}], which batches do not have")


def declares_its_labels(name: str) -> None:
    """`needs_labels` is true if and only if it reads `batch["label"]`."""
    method = trial(name).method
    shape = jax.ShapeDtypeStruct((BATCH, method.views, *IMAGE), np.float32)
    key = jax.eval_shape(lambda: jax.random.key(0))
    step = jax.ShapeDtypeStruct((), np.int32)

    def one(views, index, step, key):
        batch = Unlabelled(view=views, index=index)
        params, collections, state = method.init(key, views[:2])
        embeddings, _ = method.embed(params, collections, state, batch, key)
        return method.loss(embeddings, state, batch, step, key)

    try:
        jax.eval_shape(one, shape, jax.ShapeDtypeStruct((BATCH,), np.int32), step, key)
        reads = False
    except LabelRead:
        reads = True
    assert reads == method.needs_labels, (
        f"needs_labels is {method.needs_labels}, but it reads labels: {reads}"
    )


def keeps_structure_types_and_sharding(name: str) -> None:
    """A step keeps the state's structure, shapes, types and sharding, and its metrics are finite."""
    tiny = trial(name, devices())
    before = tiny.state()
    expected = described(before)
    after, metrics = tiny.step(before, tiny.batch(0))
    found = described(after)
    changed = [path for path in {**expected, **found} if found.get(path) != expected.get(path)]
    assert not changed, f"a step changes the structure, shape, type or sharding of {', '.join(changed)}"
    for metric, value in jax.device_get(metrics).items():
        assert np.all(np.isfinite(value)), f"metric {metric} is {value}"


def compiles_once(name: str) -> None:
    """Three steps trace the loss once."""
    traces = []

    tiny = trial(name)
    cls = type(tiny.method)

    def counted(self, *args):
        traces.append(1)
        return cls.loss(self, *args)

    fields = {f.name: getattr(tiny.method, f.name) for f in dataclasses.fields(cls) if f.init}
    method = type(cls.__name__, (cls,), {"loss": counted})(**fields)
    training = dataclasses.replace(tiny.training, method=method)
    step, state = compile_step(training, seed=0), tiny.state()
    for number in range(3):
        state, _ = step(state, tiny.batch(number))
    assert len(traces) == 1, f"the loss was traced {len(traces)} times"


def one_device_equals_several(name: str) -> None:
    """One device and several train to the same parameters."""
    one, seen_by_one = trial(name).run(2)
    several, seen_by_several = trial(name, devices()).run(2)
    for a, b in zip(seen_by_one, seen_by_several):  # two steps: a network this small amplifies rounding
        assert_close(b["loss"], a["loss"], 2e-5, "the loss")
        assert_close(b["gradient_norm"], a["gradient_norm"], 1e-3, "the gradient's norm")
    moved = jax.tree.map(lambda a, b: np.max(np.abs(a - b)), one.params, trial(name).state().params)
    assert max(jax.tree.leaves(moved)) > 1e-3, "two steps moved no parameter"
    for field in ("params", "collections", "method_state"):
        assert_trees_close(getattr(several, field), getattr(one, field), 2e-3, field)


def micro_batched_equals_whole(name: str) -> None:
    """Micro-batches give the loss and the gradient of the whole batch."""
    grouped: dict[str, Any] = dict(network={"norm_group": 4}, head={"norm_group": 4})
    runs = (Trial(name, 1, 0, **grouped), Trial(name, 1, 0, micro_batches=2, **grouped))
    (whole, a), (parts, b) = (tiny.step(tiny.state(), tiny.batch(0)) for tiny in runs)
    assert_close(b["loss"], a["loss"], 1e-4, "the loss")
    assert_close(b["gradient_norm"], a["gradient_norm"], 2e-3, "the gradient's norm")
    assert_trees_close(parts.collections, whole.collections, 1e-3, "collections")


def resumes_to_the_same_bits(name: str) -> None:
    """Saved and restored half way, it ends with the same bits."""
    tiny = trial(name)
    whole, _ = tiny.run(4)
    half, _ = tiny.run(2)
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = Checkpoints(pathlib.Path(folder))
        checkpoints.save(half)
        state = checkpoints.restore(tiny.state())
        checkpoints.close()
    for number in (2, 3):
        state, _ = tiny.step(state, tiny.batch(number))
    for (path, a), b in zip(jax.tree_util.tree_leaves_with_path(whole), jax.tree.leaves(state), strict=True):
        assert np.array_equal(a, b), f"{jax.tree_util.keystr(path)} differs after the restart"


def survives_equal_images(name: str) -> None:
    """Gradients are finite when all images of a batch are equal."""
    tiny = trial(name)
    batch = tiny.batch(0)
    batch = {**batch, "image": 0 * batch["image"], "label": 0 * batch["label"]}
    state, metrics = tiny.step(tiny.state(), batch)
    for metric in ("loss", "gradient_norm"):
        assert np.all(np.isfinite(metrics[metric])), f"{metric} is {metrics[metric]}"
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(state.params)), (
        "a parameter is not finite"
    )


def depends_on_the_seed_alone(name: str) -> None:
    """The same seed gives the same bits, another seed others."""
    first, again, other = (trial(name, 1, seed).run(2)[0].params for seed in (0, 0, 1))
    leaves = [jax.tree.leaves(params) for params in (first, again, other)]
    assert all(np.array_equal(a, b) for a, b in zip(leaves[0], leaves[1])), "two equal runs differ"
    assert not all(np.array_equal(a, b) for a, b in zip(leaves[0], leaves[2])), "the seed has no effect"


def features_do_not_depend_on_the_batch(name: str) -> None:
    """The features of an image in evaluation mode do not depend on the batch, and one exit is `final`."""
    tiny = trial(name)
    state = tiny.state()
    images = jax.random.uniform(jax.random.key(0), (4, *IMAGE))
    features = jax.jit(tiny.method.features)
    together = features(state.params, state.collections, images)
    alone = features(state.params, state.collections, images[:1])
    assert "final" in together, f"the exits are {', '.join(together)}"
    for exit, found in together.items():
        assert_close(found[:1], alone[exit], 1e-5, f"exit {exit}")


def logits_depend_on_the_image_alone(name: str) -> None:
    """The logits of classifiers that it trains, if any, are one per class and depend on the image alone."""
    images = np.asarray(jax.random.uniform(jax.random.key(0), (BATCH, *IMAGE)))
    method, classes = trial(name).method, trial(name).data.num_classes
    found = []
    for tiny, seen in ((trial(name), images), (trial(name), images[:1]), (trial(name, devices()), images)):
        state = tiny.state()
        with jax.set_mesh(tiny.mesh):
            batch = jax.device_put(seen, batch_sharding(tiny.mesh))
            found.append(jax.jit(tiny.method.logits)(state.params, state.collections, batch))
    exits = jax.eval_shape(method.features, state.params, state.collections, images)
    whole, alone, several = found
    for exit, logits in whole.items():
        assert exit in exits, f"it has logits of '{exit}', but the exits are {', '.join(exits)}"
        assert logits.shape == (BATCH, classes), f"{classes} classes, but logits of shape {logits.shape}"
        assert_close(alone[exit], logits[:1], 1e-5, f"the logits of an image alone at '{exit}'")
        assert_close(several[exit], logits, 1e-5, f"the logits on several devices at '{exit}'")


CHECKS = (
    is_documented_and_frozen,
    declares_its_labels,
    keeps_structure_types_and_sharding,
    compiles_once,
    one_device_equals_several,
    micro_batched_equals_whole,
    resumes_to_the_same_bits,
    survives_equal_images,
    depends_on_the_seed_alone,
    features_do_not_depend_on_the_batch,
    logits_depend_on_the_image_alone,
)


def described(state: TrainState) -> dict[str, tuple[Any, ...]]:
    """Shape, type and sharding of every leaf, by its path."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return {jax.tree_util.keystr(path): (x.shape, x.dtype, x.sharding.spec) for path, x in leaves}


def assert_close(found: Any, expected: Any, tolerance: float, what: str) -> None:
    """The largest difference is within `tolerance` of the largest magnitude of what is expected."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    error = np.max(np.abs(found - expected), initial=0)
    scale = np.max(np.abs(expected), initial=0)
    assert error <= tolerance * scale + 1e-6, f"{what} differs by {error:.2g}, where its size is {scale:.2g}"


def assert_trees_close(found: Any, expected: Any, tolerance: float, what: str) -> None:
    """`assert_close` for every leaf."""
    leaves = jax.tree_util.tree_leaves_with_path(expected)
    for (path, a), b in zip(leaves, jax.tree.leaves(found), strict=True):
        assert_close(b, a, tolerance, what + jax.tree_util.keystr(path))
