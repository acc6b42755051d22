"""Micro-batches give the gradient of the whole batch, on one device and on eight, with one all-reduce."""

import dataclasses
import re

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from contrastive_jax.errors import InputError
from contrastive_jax.methods import Collections, OneEncoder
from contrastive_jax.methods.generalized import SimCLR
from contrastive_jax.methods.selfcon import SelfConS
from contrastive_jax.methods.supcon import SupCon
from contrastive_jax.models.batch_norm import BatchNorm
from contrastive_jax.models.heads import ProjectionHead
from contrastive_jax.models.outputs import Outputs
from contrastive_jax.parallel.mesh import batch_sharding, make_mesh
from contrastive_jax.train.gradient import Keys, check_micro_batches, micro_batched, whole
from contrastive_jax.train.state import TrainState


class Plain(nn.Module):
    """An encoder without BatchNorm, with two exits."""

    @nn.compact
    def __call__(self, images, train):
        first = nn.tanh(nn.Dense(12, name="first")(images.reshape(len(images), -1)))
        last = nn.LayerNorm(name="norm")(nn.tanh(nn.Dense(12, name="second")(first)))
        return Outputs({}, {"block1": first, "final": last})


class Normalised(nn.Module):
    """An encoder with BatchNorm over groups."""

    norm_group: int

    @nn.compact
    def __call__(self, images, train):
        x = nn.Dense(12, name="dense")(images.reshape(len(images), -1))
        return Outputs({}, {"final": nn.tanh(BatchNorm(group=self.norm_group, name="norm")(x, train))})


METHODS = [cls(encoder=Plain(), head=ProjectionHead(dim=8)) for cls in (SupCon, SimCLR, SelfConS)]


def setting(method, devices):
    mesh = make_mesh(jax.devices()[:devices])
    key = jax.random.key(0)
    batch = {
        "view": jax.random.normal(key, (32, method.views, 4, 4, 1)),
        "label": jnp.arange(32, dtype=jnp.int32) % 5,
        "index": jnp.arange(32, dtype=jnp.int32),
    }
    state = TrainState(jnp.zeros((), jnp.int32), *method.init(key, batch["view"][:2]), ())
    return mesh, state, jax.device_put(batch, batch_sharding(mesh)), Keys(key, key)


def both(method, devices, parts=4):
    """Loss, collections, state, metrics and gradient: of the whole batch and from micro-batches."""
    mesh, state, batch, keys = setting(method, devices)
    with jax.set_mesh(mesh):
        expected = jax.jit(lambda s, b: whole(method, s, b, keys))(state, batch)
        found = jax.jit(lambda s, b: micro_batched(method, s, b, keys, parts=parts, mesh=mesh))(state, batch)
    return expected, found


@pytest.mark.parametrize("devices", [1, 8])
@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
def test_micro_batches_give_the_whole_gradient(method, devices):
    expected, found = both(method, devices)
    assert max(jnp.max(jnp.abs(leaf)) for leaf in jax.tree.leaves(expected[1])) > 1e-3
    for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(found), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def normalised(encoder_group, head_group):
    """SupCon with BatchNorm in encoder and head; 64 rows, of which a part on eight devices has four."""
    head = ProjectionHead(dim=8, hidden_norm=True, norm_group=head_group)
    return SupCon(encoder=Normalised(encoder_group), head=head)


@pytest.mark.parametrize("devices", [1, 8])
def test_grouped_batch_norm_allows_micro_batches(devices):
    """Gradient and running statistics alike."""
    expected, found = both(normalised(4, 4), devices, parts=2)
    statistics = expected[0].collections.network["batch_stats"]
    assert max(jnp.max(jnp.abs(leaf - 1)) for leaf in jax.tree.leaves(statistics)) > 0.05  # they have moved
    assert jax.tree.structure(expected) == jax.tree.structure(found)
    for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(found)):
        # A variance of four values makes a small rounding a larger one.
        np.testing.assert_allclose(a, b, atol=1e-6 + 1e-3 * float(jnp.max(jnp.abs(a))))


@pytest.mark.parametrize(
    "groups, message",
    [((0, 2), "norm_group"), ((2, 0), "norm_group"), ((-1, 2), "norm_group"), ((8, 2), "groups of 8")],
)
def test_other_batch_norms_are_refused(groups, message):
    method = normalised(*groups)
    mesh, state, batch, keys = setting(method, 8)
    with jax.set_mesh(mesh), pytest.raises(InputError, match=message):
        jax.eval_shape(lambda s, b: micro_batched(method, s, b, keys, parts=2, mesh=mesh), state, batch)


def test_one_all_reduce_of_the_gradient_whatever_the_number_of_parts():
    method = METHODS[0]
    mesh, state, batch, keys = setting(method, 8)

    def gradient(state, batch):
        return micro_batched(method, state, batch, keys, parts=4, mesh=mesh)[1]

    with jax.set_mesh(mesh):
        text = jax.jit(gradient).lower(state, batch).compile().as_text()
    names = set(re.findall(r"body=%?([\w.\-]+)", text))
    bodies = [re.search(rf"^%?{re.escape(name)} .*?^}}", text, flags=re.M | re.S)[0] for name in names]
    assert len(bodies) >= 2, "the loops over the parts are gone from the program"
    assert not any("all-reduce" in body for body in bodies)
    assert "all-reduce" in text
    assert batch["view"].sharding.spec == PartitionSpec("data")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dropping(OneEncoder):
    """z = w * mask: the gradient of sum(z) in w is the number of entries kept, which is loss / w."""

    def init(self, key, views):
        return {"w": jnp.asarray(2.0)}, Collections({}), ()

    def embed(self, params, collections, state, batch, key):
        mask = jax.random.bernoulli(key, 0.5, (len(batch["view"]), 64))
        return params["w"] * mask, collections

    def loss(self, embeddings, state, batch, step, key):
        key = jax.random.uniform(key)
        return jnp.sum(embeddings), state, {"kept": embeddings, "step": step, "key": key}


@pytest.mark.parametrize("devices", [1, 8])
def test_micro_batches_draw_once_for_both_passes_and_anew_for_every_part_and_device(devices):
    method = Dropping(encoder=Plain(), head=ProjectionHead(dim=8))
    mesh, state, batch, keys = setting(method, devices)
    state = state._replace(step=jnp.asarray(5))
    keys = keys._replace(loss=jax.random.key(9))
    with jax.set_mesh(mesh):
        run = jax.jit(lambda s, b: micro_batched(method, s, b, keys, parts=2, mesh=mesh))
        found, gradient = run(state, batch)
    np.testing.assert_allclose(gradient["w"], found.loss / 2.0)
    per_part = np.asarray(found.metrics["kept"]).reshape(2 * devices, -1)
    assert len(np.unique(per_part, axis=0)) == 2 * devices
    assert found.metrics["step"] == 5 and found.metrics["key"] == jax.random.uniform(keys.loss)


def test_collections_that_cannot_be_averaged_are_refused():
    class Counting(Dropping):
        def init(self, key, views):
            return {"w": jnp.asarray(2.0)}, Collections({"count": jnp.zeros((), jnp.int32)}), ()

        def embed(self, params, collections, state, batch, key):
            z, _ = super().embed(params, collections, state, batch, key)
            return z, collections._replace(network={"count": collections.network["count"] + 1})

    method = Counting(encoder=Plain(), head=ProjectionHead(dim=8))
    mesh, state, batch, keys = setting(method, 1)
    with jax.set_mesh(mesh), pytest.raises(InputError, match="count.* is int32"):
        jax.eval_shape(lambda s, b: micro_batched(method, s, b, keys, parts=2, mesh=mesh), state, batch)


def test_unequal_parts_are_refused():
    with pytest.raises(InputError, match="divide the 8 images"):
        check_micro_batches(3, 16, 2)
    check_micro_batches(2, 16, 2)
