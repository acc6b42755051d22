"""What the one-stage methods with a slot per training image share (CRD, ML-CPC).

`extra["memory"]` [example, dim]: the backbone's normalised outputs, mixed into their slots with momentum after use.
The reference codes also contrast the backbone with a memory of the student; SelfCon detaches the backbone, so that side
has no gradient and is left out, with its memory.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Int

from contrastive_jax.errors import InputError
from contrastive_jax.losses import bank
from contrastive_jax.losses.normalize import l2_normalize
from contrastive_jax.methods import _one_stage


def check(self) -> None:
    """Raises InputError for fields that cannot be trained."""
    _one_stage.check(self)
    if self.examples < 2 or self.negatives < 1:
        raise InputError(
            f"a memory of {self.examples} examples cannot give {self.negatives} negatives:"
            " config.method.negatives must be at least 1, and the training set must hold 2 images or more."
        )


def init(self, key, views):
    params, extra = _one_stage.init(self, key, views)
    start = bank.memory(jax.random.fold_in(key, 2**16), self.examples, _one_stage.seen_dim(self))
    return params, extra | {"memory": start}


def scores(self, students, extra, batch, key):
    """`{sub-network: [batch, 1 + negatives]}` logits against the memory; the own slot comes first.

    Equal to `crd.memory_scores`, which gathers batch x slots x dim numbers (4 GB for SelfCon's recipe): products with
    the whole memory, of which the drawn ones are kept, are batch x examples.
    """
    slots = drawn_slots(key, batch["index"], examples=self.examples, negatives=self.negatives)

    def against_memory(w):
        z, memory = l2_normalize(w), lax.stop_gradient(extra["memory"])
        products = jnp.matmul(z, memory.T, precision=lax.Precision.HIGHEST) / self.tau
        return jnp.take_along_axis(products, slots, axis=1)

    return {name: against_memory(w) for name, w in students.items()}


def updated(self, extra, batch, teacher):
    """`extra` with the batch's slots moved."""
    moved = bank.update_memory(
        extra["memory"], batch["index"], l2_normalize(teacher), momentum=self.memory_momentum
    )
    return extra | {"memory": moved}


def drawn_slots(
    key: Array, index: Int[Array, " sample"], *, examples: int, negatives: int
) -> Int[Array, "sample slot"]:
    """The own slot, then `negatives` others, uniform over all but the own and drawn with replacement."""
    step = jax.random.randint(key, (index.shape[0], negatives), 1, examples)
    return jnp.concatenate([index[:, None], (index[:, None] + step) % examples], axis=1)
