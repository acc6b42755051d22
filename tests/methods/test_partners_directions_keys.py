"""Mixed images, the direction of distillation, and keys that must differ."""

import jax
import jax.numpy as jnp
import numpy as np
from test_loss_weights import BATCH_OF, KEY, STEP, inputs
from tiny import BATCH

from contrastive_jax import losses
from contrastive_jax.methods.generalized import PRIORS


def test_mixed_images_mix_their_losses():
    method, embeddings, _ = inputs("CrossEntropy")
    partner = BATCH_OF["label"][::-1]

    def loss(**fields):
        return method.loss(embeddings, (), BATCH_OF | fields, STEP, KEY)[0]

    share = jnp.full(BATCH, 0.25)
    expected = 0.25 * loss() + 0.75 * loss(label=partner)
    np.testing.assert_allclose(loss(partner=partner, share=share), expected, rtol=1e-5)


def test_released_kd_softens_both_and_the_backbone_teaches():
    method, embeddings, state = inputs("SelfCon1StageReleased")
    _, _, metrics = method.loss(embeddings, state, BATCH_OF, STEP, KEY)
    teacher, student = (embeddings["logits"][name] / method.tau for name in ("final", "block1"))
    per_image = -jnp.sum(jax.nn.softmax(teacher) * jax.nn.log_softmax(student), axis=-1)
    np.testing.assert_allclose(metrics["loss_kd_block1"], method.tau**2 * jnp.mean(per_image), rtol=1e-5)


def test_prior_and_directions_have_keys_of_their_own(monkeypatch):
    method, embeddings, state = inputs("IntriguingSWD")
    keys = []
    draw = PRIORS[method.prior]._replace(sample=lambda key, n, dim: keys.append(key) or jnp.ones((n, dim)))
    monkeypatch.setitem(PRIORS, method.prior, draw)
    monkeypatch.setattr(losses, "directions", lambda key, dim: keys.append(key) or jnp.eye(dim))
    method.loss(embeddings, state, BATCH_OF, STEP, KEY)
    one, other = map(jax.random.key_data, keys)
    assert not np.array_equal(one, other)
