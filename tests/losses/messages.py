"""Calls that a newcomer gets wrong, without the tests' shape checker: prints what each is told, as JSON.

Run as a script, by `test_messages`, in an interpreter that has jax, numpy and jaxtyping alone.
"""

import json
import sys
import warnings

OPTIONAL = (
    "absl beartype clu dm_pix flax grain matplotlib ml_collections optax orbax PIL tensorflow torch".split()
)
sys.modules |= dict.fromkeys(OPTIONAL)  # importing one of them fails

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from contrastive_jax import errors, losses, similarity  # noqa: E402
from contrastive_jax.parallel import mesh  # noqa: E402

z = losses.l2_normalize(jax.random.normal(jax.random.key(0), (8, 2, 16)))
label = jnp.arange(8) // 2
rows = z[:, 0]

CALLS = {
    "right": lambda: losses.supcon(z, label, tau=0.1),
    "numpy": lambda: losses.supcon(np.asarray(z), np.asarray(label), tau=0.1),
    "no view axis": lambda: losses.supcon(rows, label, tau=0.1),
    "no exit axis": lambda: losses.selfcon_s(rows, label, tau=0.1),
    "under jit": lambda: jax.jit(losses.supcon, static_argnames="tau")(rows, label, tau=0.1),
    "too many axes": lambda: losses.moco(z, rows, rows, tau=0.1),
    "short label": lambda: losses.supcon(z, label[:7], tau=0.1),
    "float label": lambda: losses.supcon(z, label.astype(float), tau=0.1),
    "unsigned label": lambda: losses.supcon(z, label.astype(jnp.uint8), tau=0.1),
    "one-hot label": lambda: losses.supcon(z, jax.nn.one_hot(label, 4), tau=0.1),
    "list label": lambda: losses.supcon(z, [0] * 8, tau=0.1),
    "views": lambda: losses.moco_v3_symmetric(z[:, :1], z[:, :1], tau=0.1),
    "one view": lambda: losses.nt_xent(z[:, :1], tau=0.1),
    "no views": lambda: losses.decoupled_nt_xent(rows, tau=0.1),
    "dims": lambda: losses.moco(rows, rows, jnp.ones((4, 3)), tau=0.1),
    "cohort": lambda: losses.vcl([rows, rows[:6]], label, tau=0.1),
    "one network": lambda: losses.icl([rows], label, tau=0.1),
    "prior": lambda: losses.generalized_swd(z, rows, jnp.eye(16)),
    "leading axes": lambda: losses.byol(z, rows),
    "whole numbers": lambda: losses.alignment(jnp.ones((8, 2, 16), int)),
    "no sub-network": lambda: losses.selfcon_m(z[:, :, None], label, tau=0.1),
    "tau": lambda: losses.supcon(z, label, tau=0),
    "negative tau": lambda: jax.jit(lambda z: losses.supcon(z, label, tau=-1.0))(z),
    "no tau": lambda: losses.supcon(z, label),
    "nested": lambda: losses.selfcon_s_bank(z, label, jnp.ones((4, 3)), jnp.zeros(4, int), tau=0.1),
    "array tau": lambda: losses.supcon(z, label, tau=jnp.zeros(())),
    "full queue": lambda: losses.push(losses.new_queue(jax.random.key(0), 4, 16), rows, label),
    "other queue": lambda: losses.push(losses.new_queue(jax.random.key(0), 9, 3), rows, label),
    "top1 of arrays": lambda: losses.contrastive_top1(rows, rows),
    "implementation": lambda: losses.supcon(z, label, tau=0.1, impl="block"),
    "long": lambda: losses.supcon(2 * z, label, tau=0.1),
    "long, nested": lambda: losses.selfcon_su(2 * z, tau=0.1),
    "long, cohort": lambda: losses.vcl([rows, 2 * rows], label, tau=0.1),
    "long, bfloat16": lambda: losses.supcon(z.astype(jnp.bfloat16), label, tau=0.1),
    "long, zero": lambda: losses.supcon(z.at[0].set(0), label, tau=0.1),
    "long, jit": lambda: jax.jit(lambda z: losses.supcon(z, label, tau=0.1))(2 * z),
    "long, constant in jit": lambda: jax.jit(lambda: losses.supcon(2 * z, label, tau=0.1))(),
    "long, grad": lambda: jax.grad(lambda z: losses.supcon(z, label, tau=0.1).sum())(2 * z),
    "long, raw is right": lambda: losses.byol(2 * rows, 3 * rows),
}


def told(call) -> list[str]:
    """The message of the error, or of every warning."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        try:
            call()
        except (errors.InputError, TypeError) as error:
            return [f"{type(error).__name__}: {error}"]
    return [f"{w.category.__name__}: {w.message} ({w.filename.rpartition('/')[2]})" for w in found]


if __name__ == "__main__":
    report = {name: told(call) for name, call in CALLS.items()}
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("ignore", losses.UnnormalizedWarning)
        CALLS["long"]()
    report["silenced"] = [str(w.message) for w in found]
    report["imported"] = [name for name in OPTIONAL if sys.modules.get(name)]
    assert similarity.row_stats and mesh.make_mesh
    print(json.dumps(report))
