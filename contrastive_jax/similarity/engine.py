"""The entrance of the similarity engine: check, choose an implementation, bring the contrasts together.

Two views of the same numbers. Global (`axis=None`): arrays hold all rows, sharded or not. Inside an outer
`shard_map` (`axis="data"`): arrays hold this device's rows, and the engine gathers the contrasts itself.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from contrastive_jax.errors import InputError, nearest
from contrastive_jax.similarity import dense
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

IMPLS = ("auto", "dense", "blockwise", "ring")


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

    `want` names them (fields of `RowStats`); what is not named is None and costs nothing. `mask` says what
    row and group cannot, in `dense` only. Differentiable in both embeddings and in tau.

    Raises:
      InputError: unknown statistic or implementation, shapes that do not fit, a mask outside `dense`.
    """
    check_want(want)
    check_rows("anchors", anchors)
    check_rows("contrasts", contrasts)
    check_dims(anchors.z, contrasts.z)
    _choose(impl, mask)
    if axis is not None:
        contrasts = _gather(contrasts, axis)
    return dense.row_stats(anchors, contrasts, tau=tau, want=want, mask=mask)


def row_kl(
    teacher: Scores,
    student: Scores,
    *,
    rows: tuple[Int[Array, " n"], Int[Array, " k"]] | None = None,
    impl: str = "auto",
    axis: str | None = None,
) -> Float[Array, " n"]:
    """`KL(softmax(a_i) || softmax(b_i))` per anchor, a the teacher's and b the student's logits, [n].

    Both matrices run over the same pairs. `rows` = (anchor row, contrast row) leaves out the pairs of equal
    identity; without it every column is kept, the anchor's own included. Differentiable in everything: the
    caller detaches the teacher where the loss says so.
    """
    check_dims(teacher.anchors, teacher.contrasts)
    check_dims(student.anchors, student.contrasts)
    _choose(impl, None)
    if axis is not None:
        teacher = teacher._replace(contrasts=_gather(teacher.contrasts, axis))
        student = student._replace(contrasts=_gather(student.contrasts, axis))
    n, k = student.anchors.shape[0], student.contrasts.shape[0]
    if rows is None:
        rows = jnp.full(n, -1), jnp.full(k, -1)
    elif axis is not None:
        rows = rows[0], _gather(rows[1], axis)
    return dense.row_kl(teacher, student, *rows)


def _choose(impl: str, mask: PairMask | None) -> str:
    if impl not in IMPLS:
        raise InputError(f"Unknown similarity implementation '{impl}': {nearest(impl, IMPLS)}")
    if mask is not None and impl not in ("auto", "dense"):
        raise InputError(f"An explicit pair mask needs the whole matrix: use impl='dense', not '{impl}'.")
    return "dense"


def _gather(tree, axis: str):
    return jax.tree.map(lambda x: lax.all_gather(x, axis, tiled=True), tree)
