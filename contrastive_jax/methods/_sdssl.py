"""What the forms of SDSSL share (Jang et al. 2023): heads on every exit, the weight of L_isd, its terms.

Every exit of the student has a projector of its own, and a predictor where there is a teacher; heads of equal shape
run as one batched product. The final exit comes last in every array.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from contrastive_jax.errors import InputError, nearest
from contrastive_jax.losses.reduce import mean_keep
from contrastive_jax.losses.sdssl import sd_teacher
from contrastive_jax.methods import _ema, _parts, _teacher
from contrastive_jax.models.heads import ExitHeads
from contrastive_jax.models.outputs import FINAL

ALPHAS = {"cosine": _ema.cosine_ramp, "constant": lambda peak, step, total_steps: jnp.full((), peak)}
"""How the weight of L_isd moves: `cosine` from 0 to its peak; `constant` is the ablation of Table 6."""


def check(self) -> None:
    """Raises InputError for fields that cannot be trained."""
    if self.alpha_schedule not in ALPHAS:
        raise InputError(
            f"config.method.alpha_schedule is '{self.alpha_schedule}': {nearest(self.alpha_schedule, ALPHAS)}"
        )
    if not self.encoder.subnetworks:
        raise InputError(
            "SDSSL distils into intermediate exits: name them in config.network.subnetworks, e.g. ('layer06',)"
            " or ('block1', 'block2')."
        )


@property
def projector(self) -> ExitHeads:
    return ExitHeads(self.head.clone(hidden=self.layer_hidden or self.head.hidden), self.head)


def every_exit(self, exits):
    """What is projected."""
    return exits


def embed(self, params, extra, batch, key):
    """The student's `prediction` and `detached`, `[batch, view, layer, dim]`; the teacher's `target`. All raw.

    `detached` are the predictions of detached projections: only predictors learn from them (Eq. 7).
    """
    found = {"prediction": [], "detached": [], "target": []}
    for view in range(self.views):
        images, keys = batch["view"][:, view], jax.random.split(jax.random.fold_in(key, view))
        h, extra = _teacher.project(self, params, extra, images, keys[0])
        q, extra = _parts.train("predictor", self.predictor, params, extra, h)
        p, extra = _parts.train("predictor", self.predictor, params, extra, lax.stop_gradient(h))
        z, extra = _teacher.teach(self, extra, images, keys[1])
        for name, value in zip(found, (by_layer(q), by_layer(p), z)):
            found[name].append(value)
    return {name: jnp.stack(views, 1) for name, views in found.items()}, extra


def by_layer(exits: dict[str, Float[Array, "batch dim"]]) -> Float[Array, "batch layer dim"]:
    """The final exit last, whatever order a tree map has left."""
    return jnp.stack([exits[name] for name in (*sorted({*exits} - {FINAL}), FINAL)], 1)


def weight(self, step: Int[Array, ""]) -> Float[Array, ""]:
    """alpha, the weight of L_isd in this step."""
    return ALPHAS[self.alpha_schedule](self.alpha, step, self.total_steps)


def total(
    self,
    layer_loss: Float[Array, "sample layer"],
    prediction_loss: Float[Array, "sample layer"],
    step: Int[Array, ""],
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """Eq. 8 from the losses of all layers, both directions added, and its terms unweighted."""
    alpha = weight(self, step)
    loss = mean_keep(sd_teacher(layer_loss, prediction_loss, alpha=alpha, beta=self.beta))
    terms = {
        "loss_ssl": jnp.mean(layer_loss[:, -1]),
        "loss_isd": jnp.mean(layer_loss[:, :-1]),
        "loss_pred": jnp.mean(jnp.sum(prediction_loss, axis=1)),
        "alpha": alpha,
        "teacher_momentum": _teacher.momentum(self, step),
        "positives_share": jnp.ones(()),
    }
    return self.loss_scale * loss, terms
