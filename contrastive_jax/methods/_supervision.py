"""Does a method read labels? Asked only where the data set has none."""

import jax
import jax.numpy as jnp

from contrastive_jax.methods import Method


class Watched(dict):
    """A batch that notes whether anybody asks for its labels."""

    asked = False

    def __getitem__(self, name):
        self.asked = self.asked or name == "label"
        return super().__getitem__(name)


def reads_labels(method: Method, view_shape: tuple[int, ...], batch_size: int) -> bool:
    """Traces one step of the method without computing anything."""
    key = jax.random.key(0)
    batch = Watched(
        view=jnp.zeros((batch_size, method.views, *view_shape)),
        label=jnp.zeros(batch_size, jnp.int32),
        index=jnp.arange(batch_size),
    )

    def step():
        params, extra = method.init(key, batch["view"][:2])
        embeddings, extra = method.embed(params, extra, batch, key)
        return method.loss(embeddings, extra, batch, key, jnp.zeros((), jnp.int32))

    jax.eval_shape(step)
    return batch.asked
