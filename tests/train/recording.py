"""A method that logs what it is given: the tests of wiring train it."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from tiny import Plain

from contrastive_jax.methods import Collections, Method

SLOPE = np.array([1.0, -2.0, 3.0], np.float32)
"""The gradient of the recording method's loss, whatever the images."""


class Record(NamedTuple):
    loss_step: jax.Array
    update_step: jax.Array
    params: jax.Array
    """Those that `after_update` has seen."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recording(Method):
    """Logs all that it is given, one number per key, and learns nothing."""

    encoder: Plain = Plain()
    loss_scale: float = 1.0

    def init(self, key, views):
        none = jnp.asarray(-1, jnp.int32)
        return {"w": jnp.ones(3)}, Collections({}), Record(none, none, jnp.zeros(3))

    def embed(self, params, collections, state, batch, key):
        def every(x):
            return jnp.broadcast_to(x, (len(batch["view"]), *jnp.shape(x)))

        found = {"w": every(params["w"]), "view": jnp.mean(batch["view"], axis=(2, 3, 4))}
        found |= {"embed_key": every(jax.random.uniform(key)), "rows": every(float(len(batch["view"])))}
        return found | {"augment_key": batch.get("augment_key", found["rows"])}, collections

    def loss(self, embeddings, state, batch, step, key):
        metrics = {name: embeddings[name] for name in ("view", "embed_key", "augment_key", "rows")}
        metrics |= {"step": step, "loss_key": jax.random.uniform(key)}
        loss = self.loss_scale * jnp.sum(jnp.mean(embeddings["w"], axis=0) * SLOPE)
        return loss, state._replace(loss_step=step), metrics

    def after_update(self, params, state, step):
        return state._replace(update_step=step, params=params["w"])

    def features(self, params, collections, images):
        return {"final": images.reshape(len(images), -1)}
