"""The entry points of the similarity engine: check the input, choose an implementation, call it.

There are two views of the same numbers. In the global view (`axis=None`) arrays hold all rows, sharded or not. Inside
an outer `shard_map` (`axis="data"`) arrays hold this device's rows, and the engine gathers the contrasts itself.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from contrastive_jax.errors import InputError, nearest
from contrastive_jax.parallel.mesh import platform
from contrastive_jax.similarity import dense, streamed_kl, streamed_stats
from contrastive_jax.similarity.contract import (
    L_OUT,
    NO_IDENTITY,
    PairMask,
    Rows,
    RowStats,
    Scalar,
    Scores,
    check_dims,
    check_rows,
    check_want,
    same_arrays,
)
from contrastive_jax.similarity.layout import Layout, layout_for

IMPLS = ("auto", "dense", "blockwise", "ring")

# `auto` takes the whole matrix up to this many pairs per device: the crossovers that benchmarks/similarity.py
# measures on two CPU cores. Where anchors are the contrasts, streaming needs no more products than the matrix
# and wins almost from the start. Elsewhere it needs one more, and wins once the matrix outgrows what malloc keeps
# at hand. Not timed on accelerators: 64 MiB of float32.
DENSE_PAIRS_SAME_ROWS = {"cpu": 160 * 160}
DENSE_PAIRS = {"cpu": 1500 * 1500}
DENSE_PAIRS_ELSEWHERE = 4096 * 4096


def row_stats(
    anchors: Rows,
    contrasts: Rows,
    *,
    tau: Scalar,
    want: tuple[str, ...] = L_OUT,
    mask: PairMask | None = None,
    impl: str = "auto",
    axis: str | None = None,
) -> RowStats:
    """Statistics of each row of `S = anchors.z @ contrasts.z.T / tau`.

    Differentiable in both embeddings and in tau, in reverse mode. A pair takes part unless both embeddings have the
    same identity (`Rows.row`). It is positive if it takes part and both have the same group (`Rows.group`).

    Args:
      anchors, contrasts: pass the same object where they are the same rows, which halves the backward pass.
      tau: temperature, a number or a scalar array.
      want: the statistics, by their names in `RowStats`. The others are None and cost nothing.
      mask: pairs that `row` and `group` cannot express; needs the whole matrix (`dense`).
      impl: "dense", "blockwise", "ring", or "auto" by size and backend. All are equal in value and gradient.
      axis: inside `shard_map`, the mesh axis along which rows are split. `row` must then count over all devices.

    Returns:
      `RowStats` of arrays [n], float32 or wider.

    Raises:
      InputError: an unknown statistic or implementation, shapes that do not fit, a mask without the whole matrix.

    >>> import jax.numpy as jnp
    >>> z = jnp.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    >>> rows = Rows(z, row=jnp.arange(3), group=jnp.array([0, 0, 1]))
    >>> stats = row_stats(rows, rows, tau=0.5)
    >>> stats.pos_count
    Array([1., 1., 0.], dtype=float32)
    >>> [f"{value:.3f}" for value in stats.pos_sum]
    ['1.200', '1.200', '0.000']
    >>> [f"{value:.3f}" for value in stats.lse]  # of the first anchor: log(exp(1.2) + exp(0))
    ['1.463', '2.113', '1.784']
    """
    check_want(want)
    check_rows("anchors", anchors)
    check_rows("contrasts", contrasts)
    check_dims(anchors.z, contrasts.z)
    lengths = anchors.z.shape[0], contrasts.z.shape[0]
    same_rows = same_arrays(anchors, contrasts)
    impl, layout = _choose(impl, axis, lengths, same_rows=same_rows, masked=mask is not None)
    if impl == "dense":
        return dense.row_stats(anchors, _gathered(contrasts, axis), tau=tau, want=want, mask=mask)
    return streamed_stats.row_stats(
        anchors, contrasts, tau=tau, want=want, layout=layout, same_rows=same_rows
    )


def row_kl(
    teacher: Scores,
    student: Scores,
    *,
    rows: tuple[Int[Array, " n"], Int[Array, " k"]] | None = None,
    impl: str = "auto",
    axis: str | None = None,
) -> Float[Array, " n"]:
    """`KL(softmax(a_i) || softmax(b_i))` of each anchor, with a the teacher's logits and b the student's.

    Differentiable in all embeddings and temperatures: the caller detaches the teacher where the loss says so.

    Args:
      teacher, student: two similarity matrices over the same pairs, each with its tau and dimension. As in `row_stats`,
        anchors and contrasts that are the same array cost less than equal ones (detach first, then use it twice).
      rows: identities (of anchors, of contrasts); pairs of equal identity are left out. None keeps every contrast,
        the anchor itself included.
      impl, axis: as in `row_stats`.

    Returns:
      The KL of each anchor [n], float32 or wider; 0 for an anchor without contrasts.

    Raises:
      InputError: an unknown implementation, shapes that do not fit.

    >>> import jax.numpy as jnp
    >>> sharp = Scores(jnp.eye(2), jnp.eye(2), tau=0.5)
    >>> uniform = Scores(jnp.zeros((2, 2)), jnp.eye(2), tau=0.5)
    >>> [f"{value:.3f}" for value in row_kl(sharp, uniform)]
    ['0.328', '0.328']
    """
    check_dims(teacher.anchors, teacher.contrasts)
    check_dims(student.anchors, student.contrasts)
    n, k = student.anchors.shape[0], student.contrasts.shape[0]
    if (teacher.anchors.shape[0], teacher.contrasts.shape[0]) != (n, k):
        raise InputError(
            f"The teacher has {teacher.anchors.shape[0]} anchors and {teacher.contrasts.shape[0]} contrasts, "
            f"the student {n} and {k}: both need the same rows in the same order."
        )
    if rows is None:
        unidentified = jnp.full(n, NO_IDENTITY)
        rows = unidentified, unidentified if n == k else jnp.full(k, NO_IDENTITY)
    anchors, contrasts = zip(teacher[:2], student[:2], rows)
    same_rows = same_arrays(anchors, contrasts)
    impl, layout = _choose(impl, axis, (n, k), same_rows=same_rows, masked=False)
    if impl == "dense":
        teacher, student = (s._replace(contrasts=_gathered(s.contrasts, axis)) for s in (teacher, student))
        return dense.row_kl(teacher, student, rows[0], _gathered(rows[1], axis))
    return streamed_kl.row_kl(teacher, student, *rows, layout=layout, same_rows=same_rows)


def _choose(
    impl: str, axis: str | None, lengths: tuple[int, int], *, same_rows: bool, masked: bool
) -> tuple[str, Layout]:
    if impl not in IMPLS:
        raise InputError(f"Unknown similarity implementation '{impl}': {nearest(impl, IMPLS)}")
    if masked and impl not in ("auto", "dense"):
        raise InputError(f"An explicit pair mask needs the whole matrix: use impl='dense', not '{impl}'.")
    layout = layout_for(axis, ring=impl == "ring", lengths=lengths)
    if impl != "auto":
        return impl, layout
    pairs = math.prod(lengths) * (lax.axis_size(axis) if axis else 1) // layout.devices
    limits = DENSE_PAIRS_SAME_ROWS if same_rows else DENSE_PAIRS
    limit = limits.get(platform(), DENSE_PAIRS_ELSEWHERE)
    return "dense" if masked or pairs <= limit else "blockwise", layout


def _gathered(contrasts: Any, axis: str | None) -> Any:
    if axis is None:
        return contrasts
    return jax.tree.map(lambda a: lax.all_gather(a, axis, tiled=True), contrasts)
