"""The accuracy of the classifiers that a run trained itself, as they are: nothing is trained here.

A method has some if its `logits` are not empty: cross-entropy and the large margin, MCL, one-stage SelfCon, SupCon's
online classifier. The ensemble is the mean of the logits of all exits or networks; MCL's code takes their sum, which
ranks the classes alike.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from contrastive_jax.evaluate.accuracy import TOP, sums, top_hits
from contrastive_jax.methods import Method
from contrastive_jax.train.state import TrainState

CLASSES_FOR_TOP5 = 10
"""With fewer classes, top-5 accuracy says little and is left out."""


def has_classifier(method: Method, state: TrainState, view_shape: tuple[int, int, int]) -> bool:
    """Whether the method trains a classifier. view_shape: height, width and channels of what the networks see."""
    images = jax.ShapeDtypeStruct((1, *view_shape), jnp.float32)
    return bool(jax.eval_shape(method.logits, state.params, state.collections, images))


def accuracy(
    logits: dict[str, Float[np.ndarray, "n classes"]], labels: Int[np.ndarray, " n"]
) -> dict[str, dict[str, float]]:
    """`{"top1": {name: percent}, "top5": ...}` of every classifier and of the ensemble if there are several.

    Args:
        logits: of each exit or network. NaN counts as a miss.
        labels: the true classes. `top5` is left out if there are fewer than ten.
    """
    counts = jax.device_get(jax.jit(functools.partial(sums, top_hits, _unchanged))(logits, labels))
    classes = next(iter(logits.values())).shape[-1]
    return {
        f"top{k}": {name: 100 * float(count[i]) / len(labels) for name, count in counts.items()}
        for i, k in enumerate(TOP)
        if k == 1 or classes >= CLASSES_FOR_TOP5
    }


def _unchanged(logits):
    return logits
