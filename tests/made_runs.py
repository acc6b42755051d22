"""Run directories as pretraining leaves them, made without training; and folders of pictures."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from contrastive_jax import conformance
from contrastive_jax.config.presets import pretraining
from contrastive_jax.data.facts import facts
from contrastive_jax.experiment import Experiment, assemble
from contrastive_jax.parallel.mesh import make_mesh
from contrastive_jax.train.checkpoint import Checkpoints
from contrastive_jax.train.run_directory import RunDirectory
from contrastive_jax.train.state import TrainState, create


def save(path, experiment: Experiment, images, steps=(0,)) -> TrainState:
    """A run directory as pretraining leaves it, without the training; returns the state that is saved last."""
    method = experiment.method(num_classes=images.num_classes, labels=images.labels)
    optimizer = experiment.transform(method, experiment.learning_rate_schedule(1.0))
    state = create(method, optimizer, experiment.run.seed, experiment.view_shape(images), make_mesh())
    run = RunDirectory(path)
    with run.open(experiment.config):
        checkpoints = Checkpoints(run.checkpoints)
        run.resolved("images", json.loads(json.dumps(dataclasses.asdict(facts(images)))))
        for step in steps:
            # as if trained: values that are those of no untrained network
            trees = (state.params, state.collections)
            params, moved = jax.tree.map(lambda leaf, by=step: leaf * 1.25 + 0.01 * (1 + by), trees)
            state = state._replace(step=jnp.asarray(step, jnp.int32), params=params, collections=moved)
            checkpoints.save(state)
    checkpoints.close()
    return state


def folder(root, sizes, count=12):
    rng = np.random.default_rng(0)
    for i in range(count):
        path = root / ("red", "blue")[i % 2] / f"{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        height, width = sizes[i % len(sizes)]
        noise = rng.integers(0, 60, (height, width, 3)) + np.array([(190, 20, 20), (20, 20, 190)][i % 2])
        Image.fromarray(noise.astype(np.uint8)).save(path)
    return root


def plain(method: str, **network) -> Experiment:
    """The conformance suite's experiment with an encoder of two layers, which compiles in no time."""
    config = conformance.experiment(method).config
    return assemble({**config, "network": {"name": "tiny:Plain", **network}})


def on_pictures(source, **changes) -> Experiment:
    config = pretraining("selfcon_s", "folder,resnet8")
    config.network = {"name": "tiny:Plain"}
    config.head.dim, config.batch_size, config.data.source = 8, 8, f"folder:{source}"
    for path, value in changes.items():
        section, _, field = path.partition("__")
        config[section][field] = value
    return assemble(config.to_dict())
