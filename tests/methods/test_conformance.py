"""The conformance suite catches methods that lie, each in one place."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import Plain

from contrastive_jax import conformance, losses
from contrastive_jax.losses import l2_normalize
from contrastive_jax.methods import OneEncoder
from contrastive_jax.methods.cross_entropy import CrossEntropy
from contrastive_jax.models.heads import MultiExit
from contrastive_jax.models.layers import Linear


@dataclasses.dataclass(frozen=True, kw_only=True)
class Honest(OneEncoder):
    """NT-Xent of a small encoder. Every method below lies in one place."""

    @property
    def network(self):
        return MultiExit(Plain(), self.head)

    def loss(self, embeddings, state, batch, step, key):
        loss = losses.mean_keep(losses.nt_xent(embeddings["final"], tau=0.5))
        return loss, state, {"loss_honest": loss}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Undocumented(Honest):
    pass


@dataclasses.dataclass(frozen=True, kw_only=True)
class HidesThatItReadsLabels(Honest):
    """Labels, undeclared."""

    def loss(self, embeddings, state, batch, step, key):
        loss = losses.mean_keep(losses.supcon(embeddings["final"], batch["label"], tau=0.5))
        return loss, state, {}


@dataclasses.dataclass(frozen=True, kw_only=True)
class AsksForLabelsInVain(Honest):
    """Labels, declared and never read."""

    needs_labels: ClassVar[bool] = True


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReadsWhatIsNotThere(Honest):
    """An entry that batches do not have."""

    def loss(self, embeddings, state, batch, step, key):
        return jnp.mean(batch["mask"]), state, {}


@dataclasses.dataclass(frozen=True, kw_only=True)
class LogsNaN(Honest):
    """A metric that is not a number."""

    def loss(self, embeddings, state, batch, step, key):
        loss, state, metrics = super().loss(embeddings, state, batch, step, key)
        return loss, state, metrics | {"log_of_nothing": 0 * jnp.log(0 * loss)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class GrowsItsState(Honest):
    """A state that gains a leaf."""

    def loss(self, embeddings, state, batch, step, key):
        loss, state, metrics = super().loss(embeddings, state, batch, step, key)
        return loss, (*state, loss), metrics


@dataclasses.dataclass(frozen=True, kw_only=True)
class TurnsItsCountIntoAFloat(Honest):
    """A state whose type changes."""

    def init(self, key, views):
        return *super().init(key, views)[:2], jnp.zeros((), jnp.int32)

    def after_update(self, params, state, step):
        return state + 0.5


@dataclasses.dataclass(frozen=True, kw_only=True)
class TracesAgain(Honest):
    """A state that is a Python number after the first step."""

    def init(self, key, views):
        return *super().init(key, views)[:2], jnp.zeros((), jnp.float32)

    def after_update(self, params, state, step):
        return jnp.asarray(1.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CountsTheDevices(Honest):
    """A loss that is larger on more devices."""

    def loss(self, embeddings, state, batch, step, key):
        loss, state, metrics = super().loss(embeddings, state, batch, step, key)
        return loss * jax.sharding.get_abstract_mesh().shape["data"], state, metrics


@dataclasses.dataclass(frozen=True, kw_only=True)
class CentersWhatItEmbeds(Honest):
    """Embeddings that depend on the other images of a micro-batch."""

    def embed(self, params, collections, state, batch, key):
        (_, z), network = self.forward(params, collections.network, batch["view"], key)
        z = jax.tree.map(lambda x: l2_normalize(x - jnp.mean(x, axis=(0, 1), keepdims=True)), z)
        return z, collections._replace(network=network)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RemembersInPython(Honest):
    """A loss that depends on what no checkpoint holds."""

    calls: ClassVar[list[int]] = []

    def loss(self, embeddings, state, batch, step, key):
        def count():
            self.calls.append(1)
            return np.float32(len(self.calls))

        calls = jax.pure_callback(count, jax.ShapeDtypeStruct((), jnp.float32))
        loss, state, metrics = super().loss(embeddings, state, batch, step, key)
        return loss * calls, state, metrics


@dataclasses.dataclass(frozen=True, kw_only=True)
class DividesByADistance(Honest):
    """A distance whose gradient is not finite at 0."""

    def loss(self, embeddings, state, batch, step, key):
        z = embeddings["final"]
        return jnp.mean(jnp.linalg.norm(z[:, 0] - z[:, 1], axis=-1)), state, {}


@dataclasses.dataclass(frozen=True, kw_only=True)
class IgnoresTheSeed(Honest):
    """The same start for every seed, and no look at the images."""

    def init(self, key, views):
        return super().init(jax.random.key(0), views)

    def embed(self, params, collections, state, batch, key):
        return super().embed(params, collections, state, {"view": jnp.ones_like(batch["view"])}, key)


@dataclasses.dataclass(frozen=True, kw_only=True)
class NormalisesItsFeatures(Honest):
    """Features that depend on the other images of the batch."""

    def features(self, params, collections, images):
        found = super().features(params, collections, images)
        return jax.tree.map(lambda x: x - jnp.mean(x, axis=0, keepdims=True), found)


@dataclasses.dataclass(frozen=True, kw_only=True)
class HasNoFinalExit(Honest):
    """Features without the backbone's."""

    def features(self, params, collections, images):
        return {"block1": super().features(params, collections, images)["block1"]}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Classifies(CrossEntropy):
    """A classifier on every exit of a small encoder. Its heirs lie about their logits."""

    @property
    def network(self):
        return MultiExit(Plain(), Linear(self.num_classes))


@dataclasses.dataclass(frozen=True, kw_only=True)
class CentersItsLogits(Classifies):
    """Logits that depend on the other images of the batch."""

    def logits(self, params, collections, images):
        found = super().logits(params, collections, images)
        return jax.tree.map(lambda x: x - jnp.mean(x, axis=0, keepdims=True), found)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CountsTheDevicesInItsLogits(Classifies):
    """Logits that are larger on more devices."""

    def logits(self, params, collections, images):
        devices = jax.sharding.get_abstract_mesh().shape["data"]
        return jax.tree.map(lambda x: x * devices, super().logits(params, collections, images))


@dataclasses.dataclass(frozen=True, kw_only=True)
class TakesFeaturesForLogits(Classifies):
    """Logits that are not one per class."""

    def logits(self, params, collections, images):
        return self.features(params, collections, images)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassifiesElsewhere(Classifies):
    """Logits of an exit that nobody knows."""

    def logits(self, params, collections, images):
        return {"classifier": super().logits(params, collections, images)["final"]}


LIES = [
    (conformance.is_documented_and_frozen, Undocumented, "no docstring"),
    (conformance.declares_its_labels, HidesThatItReadsLabels, "needs_labels is False"),
    (conformance.declares_its_labels, AsksForLabelsInVain, "needs_labels is True"),
    (conformance.declares_its_labels, ReadsWhatIsNotThere, "batch\\['mask'\\], which batches do not have"),
    (conformance.keeps_structure_types_and_sharding, LogsNaN, "metric log_of_nothing is"),
    (conformance.keeps_structure_types_and_sharding, GrowsItsState, "structure"),
    (conformance.keeps_structure_types_and_sharding, TurnsItsCountIntoAFloat, "type"),
    (conformance.compiles_once, TracesAgain, "traced 2 times"),
    (conformance.one_device_equals_several, CountsTheDevices, "the loss differs"),
    (conformance.micro_batched_equals_whole, CentersWhatItEmbeds, "the loss differs"),
    (conformance.resumes_to_the_same_bits, RemembersInPython, "after the restart"),
    (conformance.survives_equal_images, DividesByADistance, "gradient_norm is"),
    (conformance.depends_on_the_seed_alone, IgnoresTheSeed, "the seed has no effect"),
    (conformance.features_do_not_depend_on_the_batch, NormalisesItsFeatures, "exit final|exit block1"),
    (conformance.features_do_not_depend_on_the_batch, HasNoFinalExit, "the exits are block1"),
    (conformance.logits_depend_on_the_image_alone, CentersItsLogits, "logits of an image alone"),
    (conformance.logits_depend_on_the_image_alone, CountsTheDevicesInItsLogits, "logits on several devices"),
    (
        conformance.logits_depend_on_the_image_alone,
        TakesFeaturesForLogits,
        "10 classes, but logits of shape .16, 12.",
    ),
    (
        conformance.logits_depend_on_the_image_alone,
        ClassifiesElsewhere,
        "logits of 'classifier', but the exits",
    ),
]


@pytest.mark.parametrize("check, lie, words", LIES, ids=[lie.__name__ for _, lie, _ in LIES])
def test_the_suite_catches_a_method_that_lies(check, lie, words):
    with pytest.raises(AssertionError, match=words):
        check(f"{__name__}:{lie.__name__}")


def test_devices_that_do_not_divide_a_batch_are_left_out(monkeypatch):
    for present, used in ((1, 1), (3, 2), (6, 4), (8, 8), (12, 8), (40, 16)):
        monkeypatch.setattr(jax, "devices", lambda n=present: [None] * n)
        assert conformance.devices() == used


def test_a_key_error_in_the_method_is_not_taken_for_a_batch():
    class Broken(Honest):
        """A KeyError of its own."""

        def loss(self, embeddings, state, batch, step, key):
            return {}["label"]

    tiny = conformance.Trial("supcon")
    tiny.method = Broken(encoder=tiny.method.encoder, head=tiny.method.head)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conformance, "trial", lambda name: tiny)
        with pytest.raises(KeyError, match="label"):
            conformance.declares_its_labels("broken")


def test_every_check_has_a_liar():
    assert {check for check, _, _ in LIES} == {*conformance.CHECKS}
