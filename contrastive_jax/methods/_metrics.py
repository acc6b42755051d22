"""The figures that every contrastive method reports of its rows."""

from jaxtyping import Array, Float

from contrastive_jax.losses.diagnostics import contrastive_top1, infonce_bound
from contrastive_jax.similarity import Rows


def contrastive(
    term: str, mean_loss: Float[Array, ""], anchors: Rows, contrasts: Rows
) -> dict[str, Float[Array, ""]]:
    """`loss_<term>`, `contrastive_top1` and `infonce_bound`.

    mean_loss: mean over anchors, before `loss_scale`. The anchors are taken to be among the contrasts: all of
    these but the anchor itself are its denominator.
    """
    return {
        f"loss_{term}": mean_loss,
        "contrastive_top1": contrastive_top1(anchors, contrasts),
        "infonce_bound": infonce_bound(mean_loss, contrasts.row.shape[0] - 1),
    }
