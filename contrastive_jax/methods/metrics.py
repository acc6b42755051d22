"""What contrastive methods report of their rows besides the loss."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from contrastive_jax.losses import contrastive_top1, infonce_bound, share_with_positives
from contrastive_jax.methods.base import Metrics
from contrastive_jax.similarity import Rows


def contrastive(term: str, mean_loss: Float[Array, ""], anchors: Rows, contrasts: Rows) -> Metrics:
    """`loss_<term>`, `contrastive_top1` and `infonce_bound`.

    Args:
      term: the loss's name.
      mean_loss: mean over anchors, before `loss_scale`.
      anchors, contrasts: the rows of the loss; each anchor leaves out one contrast, itself or its view's key, and has
        all others in its denominator.
    """
    return {
        f"loss_{term}": mean_loss,
        "contrastive_top1": contrastive_top1(anchors, contrasts),
        "infonce_bound": infonce_bound(mean_loss, contrasts.row.shape[0] - 1),
    }


def by_label(
    term: str, mean_loss: Float[Array, ""], z: Float[Array, "sample view dim"], label: Int[Array, " sample"]
) -> Metrics:
    """`contrastive` for views (or exits) whose positives are all other rows of the class, and `positives_share`."""
    rows, share = Rows.of_views(z, label), share_with_positives(label, copies=z.shape[1])
    return contrastive(term, mean_loss, rows, rows) | {"positives_share": share}


def by_instance(term: str, mean_loss: Float[Array, ""], z: Float[Array, "sample view dim"]) -> Metrics:
    """As `by_label`, but only the other views of the same sample are positives: every anchor has some."""
    rows = Rows.of_views(z, jnp.arange(z.shape[0]))
    return contrastive(term, mean_loss, rows, rows) | {"positives_share": jnp.ones(())}


def accuracy(logits: Float[Array, "sample class"], label: Int[Array, " sample"]) -> Float[Array, ""]:
    """Share of samples whose largest logit is that of their class."""
    return jnp.mean(jnp.argmax(logits, -1) == label, dtype=jnp.float32)
