"""The base class of methods whose student learns from a slow teacher: BYOL, MoCo, MoCo v3, SDSSL.

The student is an `encoder`, a `projector` and, for most methods, a `predictor`, the last two with a head for every exit
that the method projects. The teacher is an encoder without sub-networks and the final exit's projector: its
parameters (`state.teacher`) are a moving average of the student's, its BatchNorm statistics (`collections.teacher`)
come from its own passes in train mode. Every view passes a network as a batch of its own, so BatchNorm never sees two
views together, as in the authors' code.
"""

import dataclasses
from typing import Any, ClassVar, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from contrastive_jax.errors import InputError
from contrastive_jax.losses import contrastive_top1, l2_normalize
from contrastive_jax.methods.base import Collections, Exits, Images, Method, Tree, Views
from contrastive_jax.models import parts
from contrastive_jax.models.heads import ExitHeads, ProjectionHead
from contrastive_jax.models.outputs import FINAL
from contrastive_jax.similarity import Rows


@dataclasses.dataclass(frozen=True, kw_only=True)
class Student(Method):
    """An encoder followed by heads, applied one by one. There is no teacher."""

    head: ProjectionHead
    """The projector."""
    views: ClassVar[int] = 2
    student_heads: ClassVar[tuple[str, ...]] = ("projector",)
    """The properties that make the heads, in the order in which they run."""

    @property
    def projector(self) -> ExitHeads:
        return ExitHeads(self.head, self.head)

    def projected(self, exits: Exits) -> Exits:
        """The exits that are projected: the final one."""
        return {FINAL: exits[FINAL]}

    def init(self, key: Array, views: Views) -> tuple[Tree, Collections, Any]:
        params, student = self.init_student(key, views[:, 0])
        return params, Collections(student), ()

    def init_student(self, key: Array, images: Images) -> tuple[Tree, Tree]:
        """Fresh parameters and collections of the encoder and of `student_heads`, the first on the projected exits."""
        key, encoder_key = jax.random.split(key)
        outputs, encoder = self.encoder.init_with_output(encoder_key, images, True)
        found, x = {"encoder": encoder}, self.projected(outputs.exits)
        for number, name in enumerate(self.student_heads):
            x, found[name] = getattr(self, name).init_with_output(jax.random.fold_in(key, number), x, True)
        return parts.collect(**found)

    def project(self, params: Tree, student: Tree, images: Images, key: Array) -> tuple[Exits, Tree]:
        """The student's projections in train mode, and its new collections."""
        outputs, student = parts.train("encoder", self.encoder, params, student, images, key)
        return parts.train("projector", self.projector, params, student, self.projected(outputs.exits))

    def features(self, params: Tree, collections: Collections, images: Images) -> Exits:
        """The student's exits."""
        return parts.evaluate("encoder", self.encoder, params, collections.network, images).exits


class TeacherState(NamedTuple):
    """What a method remembers that has a teacher and nothing else."""

    teacher: Tree
    """The teacher's parameters."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class StudentTeacher(Student):
    """A student and a teacher that starts as its copy."""

    teacher_momentum: float
    """Momentum of the moving average."""

    @property
    def trunk(self) -> nn.Module:
        """The encoder without sub-networks, which is the teacher's."""
        return self.encoder.clone(subnetworks=())

    def init(self, key: Array, views: Views) -> tuple[Tree, Collections, Any]:
        params, student = self.init_student(key, views[:, 0])
        teacher, of_teacher = self.copy_of(params, student, views[:, 0])
        return params, Collections(student, of_teacher), TeacherState(teacher)

    def copy_of(self, params: Tree, student: Tree, images: Images) -> tuple[Tree, Tree]:
        """Parameters and collections of a teacher equal to the student's encoder and final projector."""

        def shapes(key, images):
            outputs, encoder = self.trunk.init_with_output(key, images, True)
            return parts.collect(encoder=encoder, projector=self.projector.init(key, outputs.exits, True))

        like = jax.eval_shape(shapes, jax.random.key(0), images)
        return jax.tree.map(jnp.copy, (parts.prune(params, like[0]), parts.prune(student, like[1])))

    def teach(
        self, params: Tree, teacher: Tree, images: Images, key: Array
    ) -> tuple[Float[Array, "batch dim"], Tree]:
        """The teacher's projections of the final exit, and its new collections."""
        outputs, teacher = parts.train("encoder", self.trunk, params, teacher, images, key)
        z, teacher = parts.train("projector", self.projector, params, teacher, outputs.exits)
        return z[FINAL], teacher

    def of_teacher(self, params: Tree, collections: Collections, state: Any) -> tuple[Tree, Collections]:
        """See `Method`. A ViT's exits have no parameters of their own, so its teacher has them all."""
        if jax.tree.structure(state.teacher["encoder"]) != jax.tree.structure(params["encoder"]):
            raise InputError("the teacher has none of the student's sub-networks: choose judged=student.")
        return state.teacher, collections._replace(network=collections.teacher)

    def follow(self, params: Tree, state: Any, momentum: Float[Array, ""] | float) -> Any:
        """`state` with a teacher that has moved towards the student."""
        student = parts.prune(params, state.teacher)
        return state._replace(teacher=moving_average(state.teacher, student, momentum))


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictingStudent(StudentTeacher):
    """A student whose predictor aims at the teacher's projection of the other view (BYOL, MoCo v3, SDSSL)."""

    total_steps: int
    teacher_momentum: float = 0.996
    """Momentum of the moving average in the first step; it grows to 1 along a cosine."""
    predictor_depth: int = 2
    """Linear layers of the predictor."""
    predictor_hidden: int = 0
    """Width of the predictor's hidden layers; 0: as wide as the projection."""
    student_heads: ClassVar[tuple[str, ...]] = ("projector", "predictor")

    @property
    def predictor(self) -> ExitHeads:
        """MLPs like the projector, from projection to projection."""
        head = self.head.clone(depth=self.predictor_depth, hidden=self.predictor_hidden)
        return ExitHeads(head, head)

    def embed(self, params, collections, state, batch, key):
        """The student's `prediction` and the teacher's `target`, raw, both [batch, view, dim]."""
        predictions, targets = [], []
        student, teacher = collections
        for view in range(self.views):
            images, keys = batch["view"][:, view], jax.random.split(jax.random.fold_in(key, view))
            h, student = self.project(params, student, images, keys[0])
            q, student = parts.train("predictor", self.predictor, params, student, h)
            z, teacher = self.teach(state.teacher, teacher, images, keys[1])
            predictions.append(q[FINAL])
            targets.append(z)
        embeddings = {"prediction": jnp.stack(predictions, 1), "target": jnp.stack(targets, 1)}
        return embeddings, Collections(student, teacher)

    def after_update(self, params, state, step):
        """The teacher moves after the optimizer's update, with the momentum of this step."""
        return self.follow(params, state, self.momentum(step))

    def momentum(self, step: Int[Array, ""]) -> Float[Array, ""]:
        """The teacher's momentum: from `teacher_momentum` to 1 along a cosine."""
        return cosine_momentum(self.teacher_momentum, step, self.total_steps)


def moving_average(teacher: Tree, student: Tree, momentum: Float[Array, ""] | float) -> Tree:
    """momentum * teacher + (1 - momentum) * student, leaf by leaf."""
    return jax.tree.map(lambda old, new: momentum * old + (1 - momentum) * new, teacher, student)


def cosine_momentum(base: float, step: Int[Array, ""], total_steps: int) -> Float[Array, ""]:
    """1 - (1 - base) (1 + cos(pi t / T)) / 2: from `base` to 1 (BYOL, MoCo v3, SDSSL).

    t counts steps from 0 and T is their number in the run; after T it stays at 1.
    """
    return 1 - (1 - base) * (1 + _cosine(step, total_steps)) / 2


def cosine_ramp(peak: float, step: Int[Array, ""], total_steps: int) -> Float[Array, ""]:
    """peak (1 - cos(pi t / T)) / 2: from 0 to `peak` (SDSSL's alpha), where it stays after T steps."""
    return peak * (1 - _cosine(step, total_steps)) / 2


def agreement(q: Float[Array, "sample dim"], z: Float[Array, "sample dim"]) -> Float[Array, ""]:
    """Share of predictions that are nearer to their own target than to any other of the batch."""
    instance = jnp.arange(q.shape[0])
    return contrastive_top1(Rows.of_keys(l2_normalize(q), instance), Rows.of_keys(l2_normalize(z), instance))


def _cosine(step, total_steps):
    return jnp.cos(jnp.pi * jnp.minimum(step, total_steps) / total_steps)
