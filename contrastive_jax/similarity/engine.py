"""The entrance of the similarity engine: check, choose an implementation, bring the contrasts together.

Two views of the same numbers. Global (`axis=None`): arrays hold all rows, sharded or not. Inside an outer
`shard_map` (`axis="data"`): arrays hold this device's rows, and the engine gathers the contrasts itself.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from contrastive_jax.errors import InputError, nearest
from contrastive_jax.similarity import blockwise, dense, kl
from contrastive_jax.similarity.contract import (
    L_OUT,
    PairMask,
    Rows,
    RowStats,
    Scores,
    check_dims,
    check_rows,
    check_want,
)
from contrastive_jax.similarity.layout import Layout, layout_for

IMPLS = ("auto", "dense", "blockwise", "ring")

# Up to how many pairs per device `auto` takes the whole matrix: the crossings that benchmarks/similarity.py
# measures on two CPU cores. Where anchors are the contrasts, streaming needs no more products than the matrix
# and wins from the start; elsewhere it multiplies once more, until the matrix outgrows what malloc keeps at
# hand. On accelerators not timed: 64 MiB of float32.
DENSE_PAIRS_SAME_ROWS = {"cpu": 160 * 160}
DENSE_PAIRS = {"cpu": 1500 * 1500}
DENSE_PAIRS_ELSEWHERE = 4096 * 4096


def row_stats(
    anchors: Rows,
    contrasts: Rows,
    *,
    tau: float | Array,
    want: tuple[str, ...] = L_OUT,
    mask: PairMask | None = None,
    impl: str = "auto",
    axis: str | None = None,
) -> RowStats:
    """Statistics of each row of `S = anchors.z @ contrasts.z.T / tau`, [n] each and float32 or wider.

    Differentiable in both embeddings and in tau, in reverse mode.

    Args:
      anchors, contrasts: the same object where they are the same rows, which halves the backward pass.
      tau: temperature, a number or a scalar array.
      want: the statistics, fields of `RowStats`; what is not named is None and costs nothing.
      mask: what `row` and `group` cannot say; for the whole matrix (`dense`) only.
      impl: "dense", "blockwise", "ring", or "auto" by size and backend. Equal in value and gradient.
      axis: inside `shard_map`, the mesh axis along which rows are split; `row` then counts globally.

    Raises:
      InputError: unknown statistic or implementation, shapes that do not fit, a mask outside `dense`.
    """
    check_want(want)
    check_rows("anchors", anchors)
    check_rows("contrasts", contrasts)
    check_dims(anchors.z, contrasts.z)
    lengths = anchors.z.shape[0], contrasts.z.shape[0]
    limits = DENSE_PAIRS_SAME_ROWS if blockwise.are_same(anchors, contrasts) else DENSE_PAIRS
    impl, layout = _choose(impl, axis, lengths, limits, masked=mask is not None)
    if impl == "dense":
        return dense.row_stats(anchors, _gathered(contrasts, axis), tau=tau, want=want, mask=mask)
    return blockwise.row_stats(anchors, contrasts, tau=tau, want=want, layout=layout)


def row_kl(
    teacher: Scores,
    student: Scores,
    *,
    rows: tuple[Int[Array, " n"], Int[Array, " k"]] | None = None,
    impl: str = "auto",
    axis: str | None = None,
) -> Float[Array, " n"]:
    """`KL(softmax(a_i) || softmax(b_i))` per anchor, a the teacher's and b the student's logits, [n].

    Differentiable in all embeddings and temperatures: the caller detaches the teacher where the loss says so.

    Args:
      teacher, student: two similarity matrices over the same pairs, each with its own tau and dimension. As in
        `row_stats`, the same array as anchors and contrasts is cheaper than an equal one (detach it first, then
        use it twice).
      rows: identities (of anchors, of contrasts); pairs of equal identity are left out. None keeps every
        column, the anchor's own included.
      impl, axis: as in `row_stats`.
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
        nobody = jnp.full(n, -1)
        rows = nobody, nobody if n == k else jnp.full(k, -1)
    limits = DENSE_PAIRS_SAME_ROWS if kl.are_same(teacher, student, *rows) else DENSE_PAIRS
    impl, layout = _choose(impl, axis, (n, k), limits, masked=False)
    if impl == "dense":
        teacher, student = (s._replace(contrasts=_gathered(s.contrasts, axis)) for s in (teacher, student))
        return dense.row_kl(teacher, student, rows[0], _gathered(rows[1], axis))
    return kl.row_kl(teacher, student, *rows, layout=layout)


def _choose(
    impl: str, axis: str | None, lengths: tuple[int, int], limits: dict[str, int], *, masked: bool
) -> tuple[str, Layout]:
    if impl not in IMPLS:
        raise InputError(f"Unknown similarity implementation '{impl}': {nearest(impl, IMPLS)}")
    if masked and impl not in ("auto", "dense"):
        raise InputError(f"An explicit pair mask needs the whole matrix: use impl='dense', not '{impl}'.")
    layout = layout_for(axis, ring=impl == "ring", lengths=lengths)
    if impl != "auto":
        return impl, layout
    pairs = math.prod(lengths) * (lax.axis_size(axis) if axis else 1) // layout.devices
    limit = limits.get(jax.default_backend(), DENSE_PAIRS_ELSEWHERE)
    return "dense" if masked or pairs <= limit else "blockwise", layout


def _gathered(columns: Any, axis: str | None) -> Any:
    if axis is None:
        return columns
    return jax.tree.map(lambda a: lax.all_gather(a, axis, tiled=True), columns)
