"""The figures that every contrastive method reports of its rows."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from contrastive_jax.losses.diagnostics import contrastive_top1, infonce_bound
from contrastive_jax.losses.infonce import copies_as_rows
from contrastive_jax.losses.reduce import share_with_positives
from contrastive_jax.similarity import Rows

Metrics = dict[str, Float[Array, ""]]


def contrastive(term: str, mean_loss: Float[Array, ""], anchors: Rows, contrasts: Rows) -> Metrics:
    """`loss_<term>`, `contrastive_top1` and `infonce_bound`.

    mean_loss: mean over anchors, before `loss_scale`. The anchors are taken to be among the contrasts: all of
    these but the anchor itself are its denominator.
    """
    return {
        f"loss_{term}": mean_loss,
        "contrastive_top1": contrastive_top1(anchors, contrasts),
        "infonce_bound": infonce_bound(mean_loss, contrasts.row.shape[0] - 1),
    }


def by_label(
    term: str,
    mean_loss: Float[Array, ""],
    z: Float[Array, "sample copy dim"],
    label: Int[Array, " sample"],
) -> Metrics:
    """`contrastive` with every copy (view, exit) of every sample as anchor and contrast, and `positives_share`.

    Positives are the other copies of the class.
    """
    rows, share = Rows.of_views(z, label), share_with_positives(label, copies=z.shape[1])
    return contrastive(term, mean_loss, rows, rows) | {"positives_share": share}


def by_instance(term: str, mean_loss: Float[Array, ""], z: Float[Array, "sample copy dim"]) -> Metrics:
    """As `by_label`, but positives are the other copies of the sample alone: all anchors have some."""
    rows = Rows.of_views(z, jnp.arange(z.shape[0]))
    return contrastive(term, mean_loss, rows, rows) | {"positives_share": jnp.ones(())}
