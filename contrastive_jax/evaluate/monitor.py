"""The health of the representations during a run, exit by exit, with a verdict in words.

From time to time the encoder, in evaluation mode, sees a few fixed *training* images. The figures tell a healthy run
from a collapsing one early. They are not an evaluation: that is `linear_eval`, with a test set. Nothing here changes
the state of the run.
"""

import dataclasses
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int

from contrastive_jax.augment import Recipe, make_views, plain
from contrastive_jax.data.batches import global_batch
from contrastive_jax.data.encoded import ImageSet
from contrastive_jax.data.samplers import permutation
from contrastive_jax.errors import InputError
from contrastive_jax.evaluate import hypersphere, knn
from contrastive_jax.losses import l2_normalize
from contrastive_jax.methods import Method
from contrastive_jax.parallel.mesh import batch_sharding, data_devices, replicated
from contrastive_jax.train.state import TrainState

Look = Callable[[TrainState], dict[str, float]]


@dataclasses.dataclass(frozen=True)
class Monitor:
    """The section `monitor` of a config."""

    every_epochs: float = 1.0
    """0: never."""
    examples: int = 512
    """Training images that it sees: three quarters train the probe and the k-NN, the rest test them."""
    k: int = 20
    """Neighbours that vote in the k-NN."""

    def __post_init__(self):
        if self.every_epochs < 0:
            raise InputError(f"monitor.every_epochs is {self.every_epochs}: give 0 (never) or more.")
        if self.examples < 8 or self.k < 1:
            raise InputError("monitor.examples must be at least 8 and monitor.k at least 1.")


def make_monitor(
    monitor: Monitor, method: Method, recipe: Recipe, dataset: ImageSet, seed: int, mesh: Mesh
) -> Look:
    """Compiles `look(state) -> {exit/figure: value}` for images chosen by `seed`.

    Figures: `alignment` of two views and `uniformity` (normalised representations), `feature_std` (1 for
    directions spread evenly over the sphere, 0 for a collapse), `rankme` (effective rank), and, where there are
    labels, `online_knn` and `online_probe` in percent of the `judged` images.
    """
    count = min(monitor.examples, len(dataset.labels)) // data_devices(mesh) * data_devices(mesh)
    rows = permutation(len(dataset.labels), seed, 2**31 - 1)[:count]
    labelled = count >= 8 and dataset.labelled
    batch = None

    def look_at(params, collections, batch):
        key = jax.random.fold_in(jax.random.key(seed), 2**31 - 2)
        pictures, extents = batch["image"], batch.get("extent")
        views = make_views(recipe, pictures, key, 2, extents=extents)
        images = jnp.concatenate(
            [plain(recipe, pictures, extents)[:, None], views], axis=1
        )  # still, two views
        seen = method.features(params, collections, images.reshape(-1, *images.shape[2:]))
        found = {}
        for name, features in seen.items():
            x, a, b = jnp.moveaxis(features.reshape(len(images), 3, -1), 1, 0)
            figures = spread(x, a, b)
            if labelled:
                figures |= judged(x, batch["label"], dataset.num_classes, monitor.k)
            found |= {f"{name}/{figure}": value for figure, value in figures.items()}
        return found

    compiled = jax.jit(look_at, out_shardings=replicated(mesh))

    def look(state: TrainState) -> dict[str, float]:
        nonlocal batch
        with jax.set_mesh(mesh):
            batch = batch or global_batch(dataset, rows, batch_sharding(mesh))
            found = jax.device_get(compiled(state.params, state.collections, batch))
        figures = {name: float(value) for name, value in found.items()}
        return figures | ({"judged": float(count - count * 3 // 4)} if labelled else {})

    return look


Features = Float[Array, "n dim"]


def spread(x: Features, a: Features, b: Features) -> dict[str, Float[Array, ""]]:
    """How the representations of unaugmented images (x) and of two views of each (a, b) spread over the sphere."""
    x, a, b = (l2_normalize(z.astype(jnp.float32)) for z in (x, a, b))
    return {
        "alignment": hypersphere.alignment(a, b),
        "uniformity": hypersphere.uniformity(x),
        "feature_std": feature_std(x),
        "rankme": rankme(x),
    }


def feature_std(x: Features) -> Float[Array, ""]:
    """Of unit vectors: 1 for directions spread evenly over the sphere, 0 for a collapse to a point."""
    return jnp.mean(jnp.std(x, axis=0)) * x.shape[1] ** 0.5


def rankme(x: Features) -> Float[Array, ""]:
    """exp of the entropy of the singular values divided by their sum (Garrido et al. 2023): effective dimensions."""
    s = jnp.linalg.svd(x, compute_uv=False)
    p = s / jnp.maximum(jnp.sum(s), 1e-12)
    return jnp.exp(-jnp.sum(p * jnp.log(p + 1e-7)))


def judged(x: Features, label: Int[Array, " n"], classes: int, k: int) -> dict[str, Float[Array, ""]]:
    """Accuracy in percent on the last quarter, trained on the others."""
    taught = len(x) * 3 // 4
    ranked = knn.predict(x[:taught], label[:taught], x[taught:], classes=classes, ks=(k,))
    guesses = {
        "online_knn": ranked[0, :, 0],
        "online_probe": ridge(x[:taught], label[:taught], x[taught:], classes),
    }
    return {
        name: 100 * jnp.mean(guess == label[taught:], dtype=jnp.float32) for name, guess in guesses.items()
    }


def ridge(
    x: Float[Array, "n dim"],
    label: Int[Array, " n"],
    query: Float[Array, "m dim"],
    classes: int,
    penalty: float = 0.1,
) -> Int[Array, " m"]:
    """Class by ridge regression to one-hot targets on standardised features, solved in the n x n dual form."""
    mean, std = jnp.mean(x, axis=0, keepdims=True), jnp.std(x, axis=0, keepdims=True)
    x, query = ((z - mean) / (std + 1e-6) / x.shape[1] ** 0.5 for z in (x, query))
    target = jax.nn.one_hot(label, classes) - 1 / classes
    weights = jnp.linalg.solve(x @ x.T + penalty * jnp.eye(len(x)), target)
    return jnp.argmax(query @ (x.T @ weights), axis=-1)


def verdict(figures: Mapping[str, float], untrained: Mapping[str, float] | None = None) -> str:
    """`healthy`, or what is wrong with which exits; empty if there are no figures.

    untrained: the figures before the first step, where they are known. Neighbours that do not agree more often than
    those of random weights, by two standard errors, indicate a shortcut or a run too short to judge.
    """
    exits = sorted({name.split("/")[0] for name in figures if name.endswith("/rankme")})
    words = [
        f"'{exit}' {diagnosis}" for exit in exits if (diagnosis := illness(exit, figures, untrained or {}))
    ]
    return "; ".join(words) if words else "healthy" if exits else ""


def illness(exit: str, figures: Mapping[str, float], untrained: Mapping[str, float]) -> str:
    """What is wrong with one exit; empty if nothing is."""
    std, rank = figures[f"{exit}/feature_std"], figures[f"{exit}/rankme"]
    if not np.isfinite(std) or std < COLLAPSED_STD:
        return f"has collapsed to a point (feature std {std:.3f} of 1)"
    if rank < COLLAPSED_RANK:
        return f"has collapsed to {rank:.1f} effective dimensions"
    knn = f"{exit}/online_knn"
    if knn not in untrained or knn not in figures:
        return ""
    now, before = figures[knn], untrained[knn]
    error = 100 * (before / 100 * (1 - before / 100) / figures["judged"]) ** 0.5
    needed = before + 2 * error
    if now > needed:
        return ""
    return (
        f"{NO_BETTER} by more than chance (k-NN {now:.1f} % of {figures['judged']:.0f} images, {before:.1f} % before"
        f" the first step; above {needed:.1f} % would count)"
    )


COLLAPSED_STD = 0.05
COLLAPSED_RANK = 3.0
NO_BETTER = "is no better than untrained"
