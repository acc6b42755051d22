"""Convolutions give the values and gradients of Flax's."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from contrastive_jax.models.layers import conv


def test_conv_equals_the_convolution_of_flax():
    x = jax.random.normal(jax.random.key(0), (2, 8, 8, 3))
    layers = (
        conv(5, (3, 3), 2, padding=1, dtype=jnp.bfloat16),
        nn.Conv(5, (3, 3), 2, 1, use_bias=False, dtype=jnp.bfloat16),
    )
    params = layers[0].init(jax.random.key(1), x)
    found, expected = (
        jax.jit(
            jax.value_and_grad(
                lambda p, layer=layer: jnp.sum(jnp.square(layer.apply(p, x)).astype(jnp.float32))
            )
        )(params)
        for layer in layers
    )
    assert jax.tree.leaves(found[1])[0].dtype == jnp.float32
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-5), found, expected)
