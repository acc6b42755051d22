"""From row statistics to one loss value per anchor: the two contrastive losses behind nearly all the others.

A paper's loss decides what is an anchor, what is a contrast and what makes a positive (`Rows`), then calls one of
these. SupCon (Khosla et al. 2020) places the mean over positives outside (Eq. 2) or inside (Eq. 3) the log. An anchor
without positives has value and gradient 0: the average of `losses.mean_keep` counts it, that of `losses.mean_drop`
does not.
"""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float

from contrastive_jax.similarity.contract import L_OUT, PairMask, Rows, RowStats, Scalar
from contrastive_jax.similarity.engine import row_stats

L_IN = ("lse", "pos_lse", "pos_count")


def l_out(
    anchors: Rows, contrasts: Rows, *, tau: Scalar, mask: PairMask | None = None, impl: str = "auto"
) -> Float[Array, " anchor"]:
    """SupCon's L_out (Eq. 2): `lse_i - (1/|P_i|) sum_{p in P_i} s_ip` with `s_ip = a_i . c_p / tau`.

    Args:
      anchors, contrasts: the same object where they are the same rows.
      tau: temperature.
      mask: pairs that `row` and `group` cannot express; needs the whole matrix.
      impl: as in `row_stats`.

    Returns:
      Loss of each anchor, 0 for an anchor without positives.

    Raises:
      InputError: as `row_stats`.

    >>> import jax.numpy as jnp
    >>> z = jnp.array([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]])  # two views of two samples
    >>> rows = Rows.of_views(z, group=jnp.arange(2))
    >>> [f"{loss:.3f}" for loss in l_out(rows, rows, tau=1.0)]  # log(e + 2) - 1
    ['0.551', '0.551', '0.551', '0.551']
    """
    stats = row_stats(anchors, contrasts, tau=tau, want=L_OUT, mask=mask, impl=impl)
    lse, pos_sum, count = read(stats, L_OUT)
    return jnp.where(count > 0, lse - pos_sum / safe(count), 0)


def l_in(
    anchors: Rows, contrasts: Rows, *, tau: Scalar, mask: PairMask | None = None, impl: str = "auto"
) -> Float[Array, " anchor"]:
    """SupCon's L_in (Eq. 3): `lse_i - log((1/|P_i|) sum_{p in P_i} exp(s_ip))` with `s_ip = a_i . c_p / tau`.

    Args:
      anchors, contrasts: the same object where they are the same rows.
      tau: temperature.
      mask: pairs that `row` and `group` cannot express; needs the whole matrix.
      impl: as in `row_stats`.

    Returns:
      Loss of each anchor, 0 for an anchor without positives.

    Raises:
      InputError: as `row_stats`.

    >>> import jax.numpy as jnp
    >>> z = jnp.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    >>> rows = Rows(z, row=jnp.arange(3), group=jnp.array([0, 0, 1]))
    >>> [f"{loss:.3f}" for loss in l_in(rows, rows, tau=1.0)]  # the third anchor has no positive
    ['0.437', '0.798', '0.000']
    """
    stats = row_stats(anchors, contrasts, tau=tau, want=L_IN, mask=mask, impl=impl)
    lse, pos_lse, count = read(stats, L_IN)
    return jnp.where(count > 0, lse - pos_lse + jnp.log(safe(count)), 0)


def read(stats: RowStats, want: Sequence[str]) -> list[Array]:
    """The named statistics, in the order of `want`.

    >>> import jax.numpy as jnp
    >>> read(RowStats(lse=jnp.zeros(2), pos_count=jnp.ones(2)), ("pos_count", "lse"))
    [Array([1., 1.], dtype=float32), Array([0., 0.], dtype=float32)]
    """
    return [stats._asdict()[name] for name in want]


def safe(count: Float[Array, " anchor"]) -> Float[Array, " anchor"]:
    """The number (or weight) of positives as a divisor: 1 where there are none.

    >>> import jax.numpy as jnp
    >>> safe(jnp.array([2.0, 0.0]))
    Array([2., 1.], dtype=float32)
    """
    return jnp.where(count > 0, count, 1)
