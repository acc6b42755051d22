"""From row statistics to one loss value per anchor: the two contrastive losses that nearly everything else is.

A loss of a paper decides who is an anchor, who is a contrast and what makes a positive (`Rows`), then calls one of
these. SupCon (Khosla et al. 2020), Eqs. 2 and 3, names the two places of the sum over positives. An anchor without
positives has value and gradient 0; `losses.mean_keep` and `losses.mean_drop` are the two ways to average over it.
"""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float

from contrastive_jax.similarity.contract import PairMask, Rows, RowStats
from contrastive_jax.similarity.engine import row_stats

Scalar = float | Float[Array, ""]
"""A hyper-parameter: a number, or a traced scalar that a schedule gives."""


def l_out(
    anchors: Rows, contrasts: Rows, *, tau: Scalar, mask: PairMask | None = None, impl: str = "auto"
) -> Float[Array, " anchor"]:
    """`lse_i - (1/|P_i|) sum_p s_ip` with s = a.c / tau: the mean over positives outside the log (Eq. 2)."""
    want = ("lse", "pos_sum", "pos_count")
    lse, pos_sum, count = read(row_stats(anchors, contrasts, tau=tau, want=want, mask=mask, impl=impl), want)
    return jnp.where(count > 0, lse - pos_sum / safe(count), 0)


def l_in(
    anchors: Rows, contrasts: Rows, *, tau: Scalar, mask: PairMask | None = None, impl: str = "auto"
) -> Float[Array, " anchor"]:
    """`lse_i - lse_{p in P_i} s_ip + log |P_i|`: the mean over positives inside the log (Eq. 3)."""
    want = ("lse", "pos_lse", "pos_count")
    lse, pos_lse, count = read(row_stats(anchors, contrasts, tau=tau, want=want, mask=mask, impl=impl), want)
    return jnp.where(count > 0, lse - pos_lse + jnp.log(safe(count)), 0)


def read(stats: RowStats, want: Sequence[str]) -> list[Array]:
    """The statistics that were asked for, in that order."""
    return [stats._asdict()[name] for name in want]


def safe(count: Float[Array, " anchor"]) -> Float[Array, " anchor"]:
    """Something to divide by: the number (or weight) of positives, 1 where there are none."""
    return jnp.where(count > 0, count, 1)
