"""A student, and a teacher that follows it: what BYOL, MoCo, MoCo v3 and SDSSL share.

The student's parts are an `encoder`, a `projector` and perhaps a `predictor`, both with a head for every exit that
the method projects. The teacher (`extra["teacher"]`) is an encoder without sub-networks and the final exit's
projector: its parameters are a moving average of the student's, its BatchNorm statistics those of its own forward
passes in train mode. Every view passes a network as a batch of its own, so BatchNorm never sees two views together,
as in the authors' codes.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from contrastive_jax.losses.diagnostics import contrastive_top1
from contrastive_jax.losses.normalize import l2_normalize
from contrastive_jax.methods import Tree, _ema, _parts
from contrastive_jax.models.heads import ExitHeads
from contrastive_jax.models.outputs import FINAL
from contrastive_jax.similarity import Rows


@property
def projector(self) -> ExitHeads:
    return ExitHeads(self.head, self.head)


@property
def predictor(self) -> ExitHeads:
    """The student's last part: MLPs like the projector, from projection to projection."""
    head = self.head.clone(depth=self.predictor_depth, hidden=self.predictor_hidden)
    return ExitHeads(head, head)


def final_exit(self, exits):
    """What a method projects that looks at the final exit alone."""
    return {FINAL: exits[FINAL]}


def init(self, key, views):
    """A student with projector and predictor, and a teacher equal to it."""
    params, extra = start(self, key, views[:, 0], "projector", "predictor")
    return params, with_teacher(self, params, extra, views[:, 0])


def embed(self, params, extra, batch, key):
    """`prediction` of the student and `target` of the teacher, raw, `[batch, view, dim]`."""
    predictions, targets = [], []
    for view in range(self.views):
        images, keys = batch["view"][:, view], jax.random.split(jax.random.fold_in(key, view))
        h, extra = project(self, params, extra, images, keys[0])
        q, extra = _parts.train("predictor", self.predictor, params, extra, h)
        z, extra = teach(self, extra, images, keys[1])
        predictions.append(q[FINAL])
        targets.append(z)
    return {"prediction": jnp.stack(predictions, 1), "target": jnp.stack(targets, 1)}, extra


def after_update(self, params, extra, step):
    """The teacher moves after the optimizer's step, with the momentum of this step."""
    return follow(params, extra, momentum(self, step))


def features(self, params, extra, images):
    """The student's exits."""
    return _parts.evaluate("encoder", self.encoder, params, extra, images).exits


def momentum(self, step: Int[Array, ""]) -> Float[Array, ""]:
    """Of the teacher: from `teacher_momentum` to 1 along a cosine."""
    return _ema.cosine_momentum(self.teacher_momentum, step, self.total_steps)


def follow(params: Tree, extra: Tree, momentum: Float[Array, ""] | float) -> Tree:
    """`extra` with a teacher that has moved towards the student."""
    teacher = extra["teacher"]
    student = _parts.prune(params, teacher["params"])
    return {**extra, "teacher": {**teacher, "params": _ema.update(teacher["params"], student, momentum)}}


def project(
    self, params: Tree, extra: Tree, images: Float[Array, "batch height width channel"], key: Array
) -> tuple[dict[str, Float[Array, "batch dim"]], Tree]:
    """The student's projections `{exit: [batch, dim]}` in train mode, and the new `extra`."""
    outputs, extra = _parts.train("encoder", self.encoder, params, extra, images, key)
    return _parts.train("projector", self.projector, params, extra, self.projected(outputs.exits))


def teach(
    self, extra: Tree, images: Float[Array, "batch height width channel"], key: Array
) -> tuple[Float[Array, "batch dim"], Tree]:
    """The teacher's projections `[batch, dim]` of the final exit, and `extra` with its new statistics."""
    teacher = dict(extra["teacher"])
    params = teacher.pop("params")
    outputs, teacher = _parts.train("encoder", trunk(self), params, teacher, images, key)
    z, teacher = _parts.train("projector", self.projector, params, teacher, outputs.exits)
    return z[FINAL], {**extra, "teacher": {"params": params, **teacher}}


def start(self, key: Array, images: Float[Array, "batch height width channel"], *heads: str):
    """Fresh `params` and `extra` of the encoder and of heads in a row, the first one on the projected exits."""
    key, encoder_key = jax.random.split(key)
    outputs, encoder = self.encoder.init_with_output(encoder_key, images, True)
    found, x = {"encoder": encoder}, self.projected(outputs.exits)
    for number, name in enumerate(heads):
        x, found[name] = getattr(self, name).init_with_output(jax.random.fold_in(key, number), x, True)
    return _parts.collect(**found)


def with_teacher(self, params: Tree, extra: Tree, images: Float[Array, "batch height width channel"]) -> Tree:
    """`extra` with a teacher that is a copy of the student's encoder and final projector."""

    def shapes(key, images):
        outputs, encoder = trunk(self).init_with_output(key, images, True)
        projector = self.projector.init(key, outputs.exits, True)
        return _parts.collect(encoder=encoder, projector=projector)

    of_params, of_state = jax.eval_shape(shapes, jax.random.key(0), images)
    teacher = {"params": _parts.prune(params, of_params), **_parts.prune(extra, of_state)}
    return {**extra, "teacher": jax.tree.map(jnp.copy, teacher)}


def trunk(self):
    """The encoder without sub-networks."""
    return self.encoder.clone(subnetworks=())


def agreement(q: Float[Array, "sample dim"], z: Float[Array, "sample dim"]) -> Float[Array, ""]:
    """Share of predictions that are nearer to their own target than to any other of the batch."""
    instance = jnp.arange(q.shape[0])
    none = jnp.full_like(instance, -1)
    return contrastive_top1(Rows(l2_normalize(q), none, instance), Rows(l2_normalize(z), none, instance))
