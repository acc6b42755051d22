"""SelfCon: methods are their losses on any number of exits, and refuse what cannot work."""

import jax
import numpy as np
import pytest
from by_hand import KEY, LABEL, STEP, batch_of, compiled, made, shapes, unit
from tiny import BATCH, METHODS, Trial

from contrastive_jax import losses
from contrastive_jax.errors import InputError

SELFCON = [name for name in METHODS if name.startswith("SelfCon")]


@pytest.mark.parametrize(
    "name", ["selfcon_m", "selfcon_mu", "selfcon_m_joint", "selfcon_mu_joint", "selfcon_su"]
)
def test_selfcon_methods_are_their_losses(name):
    weights = {"alpha": 0.5} if name in ("selfcon_m", "selfcon_mu") else {}
    method = made(name, tau=0.3, loss_scale=2.0, **weights)
    exits = unit(6, BATCH, method.views, 3, 8)
    embeddings = {"block1": exits[:, :, 0], "final": exits[:, :, 2], "block2": exits[:, :, 1]}
    loss, _, metrics = compiled(method)(embeddings, (), batch_of(method), STEP, KEY)
    labels = (LABEL,) if method.needs_labels else ()
    per_anchor = getattr(losses, name)(exits[:, 0] if name == "selfcon_su" else exits, *labels, tau=0.3)
    if weights:
        per_anchor = per_anchor.weighted(**weights)
    np.testing.assert_allclose(loss, 2 * losses.mean_keep(per_anchor), rtol=1e-5)
    assert {"contrastive_top1", "infonce_bound", "positives_share"} <= set(metrics)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in ("SelfConM", "SelfCon1StageCompress") else [pytest.mark.slow])
        for name in SELFCON
    ],
)
def test_selfcon_takes_any_number_of_subnetworks(name):
    method = Trial(name, 1, 0, network={"subnetworks": ("block1", "block2"), "subnetwork": "small"}).method
    params, *kept = shapes(method)

    def step(params, collections, state, batch):
        embeddings, collections = method.embed(params, collections, state, batch, KEY)
        return collections, method.loss(embeddings, state, batch, STEP, KEY)[1]

    after = jax.eval_shape(step, params, *kept, batch_of(method))
    assert jax.tree.map(lambda x: x.shape, after) == jax.tree.map(lambda x: x.shape, tuple(kept))


@pytest.mark.parametrize("name", sorted({*SELFCON} - {"SelfConS"}))
def test_selfcon_refuses_a_network_without_subnetworks(name):
    method = Trial(name, 1, 0, network={"subnetworks": ()}).method
    with pytest.raises(InputError, match="subnetworks"):
        shapes(method)


@pytest.mark.parametrize(
    "name, fields, words",
    [
        ("supcon_bank", {"bank_size": 31}, "32 rows"),
        ("supcon_queue", {"queue_size": 31}, "32 rows"),
        ("selfcon_1stage_compress", {"queue_size": 15}, "16 rows"),
        ("selfcon_1stage_byol", {"form": "logit"}, "logits"),
        ("selfcon_1stage_byol", {"form": "logits"}, "1 - beta"),
        ("selfcon_1stage_crd", {"negatives": 0}, "negatives"),
    ],
)
def test_settings_that_cannot_work_are_refused(name, fields, words):
    with pytest.raises(InputError, match=words):
        made(name, **fields)
