"""Methods from outside the package: one whose state has an array of its own, and one named by its import path."""

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from tiny import Trial

from contrastive_jax import conformance
from contrastive_jax.methods import Collections, StudentTeacher, Tree
from contrastive_jax.train.checkpoint import Checkpoints


class CenteredState(NamedTuple):
    teacher: Tree
    center: jax.Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class Centered(StudentTeacher):
    """Self-distillation against a centred and sharpened teacher, as in DINO: its state has an array of its own."""

    teacher_momentum: float = 0.9
    views: ClassVar[int] = 2

    def init(self, key, views):
        params, collections, state = super().init(key, views)
        return params, collections, CenteredState(state.teacher, jnp.zeros(self.head.dim))

    def embed(self, params, collections, state, batch, key):
        student, teacher = collections
        found = []
        for view in range(2):
            images = batch["view"][:, view]
            h, student = self.project(params, student, images, key)
            z, teacher = self.teach(state.teacher, teacher, images, key)
            found.append({"student": h["final"], "teacher": z})
        return tuple(found), Collections(student, teacher)

    def loss(self, embeddings, state, batch, step, key):
        first, second = embeddings
        total = sum(
            jnp.mean(jnp.sum(-self.target(t["teacher"], state) * jax.nn.log_softmax(s["student"]), axis=-1))
            for t, s in ((first, second), (second, first))
        )
        mean = jnp.mean(lax.stop_gradient(first["teacher"] + second["teacher"]) / 2, axis=0)
        state = state._replace(center=0.9 * state.center + 0.1 * mean)
        return total, state, {"mean": mean, "rows": jnp.float32(len(first["student"]))}

    def target(self, z, state):
        return lax.stop_gradient(jax.nn.softmax((z - state.center[None]) / 0.1))

    def after_update(self, params, state, step):
        return self.follow(params, state, self.teacher_momentum)


def test_a_state_with_a_center_is_micro_batched_and_checkpointed(tmp_path):
    """Two devices, two parts each: the center is the average of the whole batch's outputs, and survives a restart."""
    grouped = {"norm_group": 4}
    tiny = Trial(f"{__name__}:Centered", 2, 0, micro_batches=2, network=grouped, head=grouped)
    state, (one, two) = tiny.run(2)
    assert one["rows"] == conformance.BATCH
    expected = 0.9 * 0.1 * one["mean"] + 0.1 * two["mean"]
    np.testing.assert_allclose(state.method_state.center, expected, rtol=1e-5, atol=1e-7)
    assert np.any(np.abs(state.method_state.center) > 1e-3)

    half, _ = tiny.run(1)
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(half)
    restored = checkpoints.restore(tiny.state())
    checkpoints.close()
    assert isinstance(restored.method_state, CenteredState)
    resumed, _ = tiny.step(restored, tiny.batch(1))
    for a, b in zip(jax.tree.leaves(state), jax.tree.leaves(resumed), strict=True):
        np.testing.assert_array_equal(a, b)


OUTSIDE = '''
import dataclasses

from tiny import Plain

from contrastive_jax import losses
from contrastive_jax.methods import OneEncoder
from contrastive_jax.models.heads import MultiExit


@dataclasses.dataclass(frozen=True, kw_only=True)
class Aligned(OneEncoder):
    """NT-Xent of the last exit."""

    tau: float = 0.5

    @property
    def network(self):
        return MultiExit(Plain(), self.head)

    def loss(self, embeddings, state, batch, step, key):
        loss = losses.mean_keep(losses.nt_xent(embeddings["final"], tau=self.tau))
        return loss, state, {"loss_aligned": loss}
'''


def test_a_method_of_the_users_conforms_by_its_import_path(tmp_path, monkeypatch):
    (tmp_path / "lab_of_a_user.py").write_text(OUTSIDE)
    monkeypatch.syspath_prepend(tmp_path)
    checks = list(conformance.checks("lab_of_a_user:Aligned"))
    assert len(checks) == len(conformance.CHECKS)
    for _, check in checks:
        check()
    assert (
        conformance.experiment("lab_of_a_user:Aligned", method={"tau": 0.25}).config["method"]["tau"] == 0.25
    )
