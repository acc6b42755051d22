"""What the generalized contrastive losses share: the weighted sum of their two terms, and what is reported."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from contrastive_jax.losses.diagnostics import contrastive_top1
from contrastive_jax.losses.generalized import Terms
from contrastive_jax.losses.infonce import copies_as_rows
from contrastive_jax.losses.normalize import l2_normalize
from contrastive_jax.losses.reduce import mean_keep


def total(
    terms: Terms, z: Float[Array, "sample 2 dim"], *, lam: float
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """Eq. 2, `alignment + lambda * distribution`, mean over the samples, and its terms unweighted."""
    rows = Rows.of_views(l2_normalize(z), jnp.arange(z.shape[0]))
    metrics = {
        "loss_align": jnp.mean(terms.alignment),
        "loss_match": jnp.mean(terms.distribution),
        "positives_share": jnp.ones(()),
        "contrastive_top1": contrastive_top1(rows, rows),
    }
    return mean_keep(terms.weighted(lam)), metrics
