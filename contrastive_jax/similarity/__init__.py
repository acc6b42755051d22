"""The similarity engine: what contrastive losses need to know of `S = A C^T / tau`, without holding S in memory.

A contrastive loss compares anchors A with contrasts C. It needs to know which pairs take part and which are positive.
Here **two integers per embedding** tell, where others build an N x K mask: `row` is an identity (a pair of equal
identities is left out, such as an embedding with itself), and `group` makes the positives (a pair of equal groups, such
as two images of one class or two views of one image). `Rows` holds both beside the embeddings.

From these, `row_stats` computes a few **statistics per anchor**: the log-sum-exp over the valid contrasts; the sum, the
number and the log-sum-exp of the positive logits; the log-sum-exp of the negative ones. A loss is arithmetic on them,
one value per anchor. `l_out` and `l_in` are SupCon's two forms. `row_kl` compares the row softmaxes of two matrices.

The **implementations are equal in value and gradient**: `impl="dense"` builds the matrix, `"blockwise"` streams tiles
of it in O(N + K) memory, `"ring"` also passes the contrasts from device to device, and `"auto"` takes the cheaper of
the first two. All run on one device, on a sharded batch under `jax.set_mesh`, and inside `shard_map` (`axis="data"`).

SupCon (Eq. 2) in plain JAX, with labels as groups:

>>> import jax
>>> import jax.numpy as jnp
>>> from contrastive_jax.similarity import Rows, row_stats
>>> z = jnp.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [-0.6, 0.8]])  # unit length, one row per sample
>>> label = jnp.array([0, 0, 1, 1])
>>> def supcon(z):
...     rows = Rows(z, row=jnp.arange(4), group=label)
...     stats = row_stats(rows, rows, tau=0.5)
...     return jnp.mean(stats.lse - stats.pos_sum / stats.pos_count)
>>> value, gradient = jax.jit(jax.value_and_grad(supcon))(z)
>>> print(f"{value:.4f}", gradient.shape)
0.4302 (4, 2)

To add a queue, join its rows to the contrasts: `rows.joined(Rows.of_keys(queue, queue_label))`.
"""

from contrastive_jax.similarity.contract import (
    NO_GROUP,
    NO_IDENTITY,
    PairMask,
    Rows,
    RowStats,
    Scalar,
    Scores,
)
from contrastive_jax.similarity.contrast import l_in, l_out, read, safe
from contrastive_jax.similarity.engine import row_kl, row_stats

__all__ = [
    "NO_GROUP",
    "NO_IDENTITY",
    "PairMask",
    "RowStats",
    "Rows",
    "Scalar",
    "Scores",
    "l_in",
    "l_out",
    "read",
    "row_kl",
    "row_stats",
    "safe",
]
