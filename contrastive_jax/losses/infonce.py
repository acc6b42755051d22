"""The arithmetic that nearly every contrastive loss shares: row statistics to one value per anchor.

A loss of a paper decides who is an anchor, who is a contrast and what makes a positive (`Rows`), and calls
one of these. SupCon (Khosla et al., 2020) Eqs. 2 and 3 name the two places of the sum over positives.
An anchor without positives has value and gradient 0; `losses.reduce` names what the mean does with it.
"""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from contrastive_jax.similarity import PairMask, Rows, RowStats, row_stats

Scalar = float | Float[Array, ""]
"""A hyper-parameter: a number, or a traced one that a schedule gives."""


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


def copies_as_rows(
    z: Float[Array, "sample copy dim"],
    group: Int[Array, " sample"],
    chosen: slice | Int[np.ndarray, " kept"] = slice(None),
) -> Rows:
    """Copies (views, exits) of all samples as one set of rows, sample-major, each its own identity.

    `chosen` keeps some of the copies with the identities they have among all: anchors that are only a part
    of the contrasts.
    """
    samples, copies, dim = z.shape
    row = jnp.arange(samples * copies).reshape(samples, copies)[:, chosen]
    return Rows(z[:, chosen].reshape(-1, dim), row.reshape(-1), jnp.repeat(group, row.shape[1]))


def append(rows: Rows, others: Rows) -> Rows:
    """Both sets as one: a batch's rows and those of a bank or queue."""
    return Rows(*(jnp.concatenate(pair) for pair in zip(rows, others)))
