"""The ViT against loops in NumPy: positions, patches, attention, drop path, exits and frozen weights."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from filled import filled

from contrastive_jax.errors import InputError
from contrastive_jax.methods.generalized import SimCLR
from contrastive_jax.models import network
from contrastive_jax.models.heads import ProjectionHead
from contrastive_jax.models.vit import Attention, Layer, PatchEmbedding, ViT, sincos_positions
from contrastive_jax.parallel.mesh import batch_sharding, make_mesh
from contrastive_jax.train.optimizers import AdamW

KEY = jax.random.key(0)
TINY = ViT(patch=2, width=8, depth=3, heads=2)
IMAGES = jax.random.normal(KEY, (4, 4, 6, 3))


def init(module, *inputs):
    """Compiled, because hundreds of small operations take longer."""
    return jax.jit(module.init, static_argnums=range(2, 1 + len(inputs)))(KEY, *inputs)


def evaluate(net, variables, images=IMAGES):
    return jax.jit(lambda v, x: net.apply(v, x, False))(variables, images)


def position(row, column, width):
    """The position embedding of one patch, from the formula, in loops."""
    entries = []
    for coordinate in (row, column):
        for wave in (math.sin, math.cos):
            for k in range(width // 4):
                entries.append(wave(coordinate / 10000 ** (4 * k / width)))
    return entries


@pytest.mark.parametrize("rows, columns, width", [(14, 14, 24), (2, 5, 8), (1, 1, 4)])
def test_positions_match_the_formula(rows, columns, width):
    expected = [position(r, c, width) for r in range(rows) for c in range(columns)]
    np.testing.assert_allclose(sincos_positions(rows, columns, width), expected, atol=1e-6)


@pytest.mark.parametrize("height, width", [(4, 10), (8, 2)])
def test_positions_are_computed_for_every_grid(height, width):
    """If all weights are zero, patch tokens consist of their positions only; initialisation saw another grid."""
    shapes = jax.eval_shape(lambda: TINY.init(KEY, IMAGES, True))
    variables = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), shapes)
    outputs = evaluate(TINY, variables, jnp.ones((1, height, width, 3)))
    found = outputs.blocks["layer03"][0]
    assert found.shape == (height // 2, width // 2, 8)
    for row in range(height // 2):
        for column in range(width // 2):
            np.testing.assert_allclose(found[row, column], position(row, column, 8), atol=1e-6)


def test_patches_are_embedded_by_a_strided_convolution():
    embedding = PatchEmbedding(patch=2, width=5, projection="learned", dtype=jnp.float32)
    variables = embedding.init(KEY, IMAGES)
    kernel, bias = variables["params"]["kernel"], jnp.arange(5.0)
    variables["params"]["bias"] = bias
    tokens = embedding.apply(variables, IMAGES)
    expected = jax.lax.conv_general_dilated(
        IMAGES, kernel, (2, 2), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    np.testing.assert_allclose(tokens.reshape(4, 2, 3, 5), expected + bias[None, None, None], atol=1e-5)


def test_attention_matches_the_loops():
    x = jax.random.normal(KEY, (2, 3, 8))
    ours, variables = jax.jit(Attention(2, "xla", jnp.float32).init_with_output)(KEY, x)
    weights = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), variables["params"])
    for b in range(2):
        qkv = np.asarray(x[b], np.float64) @ weights["qkv"]["kernel"] + weights["qkv"]["bias"]
        heads = []
        for head in range(2):
            q, k, v = (qkv[:, part * 8 + head * 4 : part * 8 + head * 4 + 4] for part in range(3))
            scores = np.exp(q @ k.T / 2)  # sqrt(4), with 4 channels per head
            heads.append(scores / scores.sum(1, keepdims=True) @ v)
        expected = np.concatenate(heads, 1) @ weights["output"]["kernel"] + weights["output"]["bias"]
        np.testing.assert_allclose(ours[b], expected, atol=1e-5)


def test_an_exit_equals_the_final_exit_of_a_shallower_network():
    deep = TINY.clone(subnetworks=("layer01", "layer02"))
    variables = init(deep, IMAGES, True)
    exits = evaluate(deep, variables).exits
    assert set(exits) == {"layer01", "layer02", "final"}
    for depth in (1, 2, 3):
        shallow = evaluate(TINY.clone(depth=depth), variables).exits["final"]
        name = "final" if depth == 3 else f"layer{depth:02d}"
        np.testing.assert_allclose(exits[name], shallow, atol=1e-6)
        np.testing.assert_allclose(shallow.mean(1), np.zeros(4), atol=1e-5)  # a LayerNorm's output
    assert not np.allclose(exits["layer01"], exits["layer02"], atol=1e-3)


def drop_path_factors(rate, key):
    """Factors of the attention branch per example and token; the MLP's branch is zero."""
    layer = Layer(heads=1, drop_path=rate, attention="xla", dtype=jnp.float32)
    x = jax.random.normal(KEY, (256, 2, 4))
    variables = init(layer, x, False)
    variables["params"]["mlp"] = jax.tree.map(jnp.zeros_like, variables["params"]["mlp"])
    run = jax.jit(layer.apply, static_argnums=2)
    whole = run(variables, x, False) - x
    return np.asarray((run(variables, x, True, rngs={"dropout": key}) - x) / whole)


def test_drop_path_drops_whole_branches_per_example():
    factors = drop_path_factors(0.4, jax.random.key(1))
    np.testing.assert_allclose(factors, np.broadcast_to(factors[:, :1, :1], factors.shape), atol=1e-2)
    kept = factors[:, 0, 0] > 0.5
    np.testing.assert_allclose(factors[kept, 0, 0], 1 / 0.6, atol=1e-2)
    np.testing.assert_allclose(factors[~kept, 0, 0], 0, atol=1e-2)
    assert abs(kept.mean() - 0.6) < 4 * math.sqrt(0.6 * 0.4 / len(kept))


def test_drop_path_grows_with_depth_and_is_off_in_evaluation():
    net = ViT(patch=2, width=8, depth=3, heads=2, drop_path=0.5)
    variables = filled(net, IMAGES)

    @jax.jit
    def run(key):
        trained = net.apply(variables, IMAGES, True, rngs={"dropout": key}).blocks
        return trained, net.apply(variables, IMAGES, False).blocks

    trained, evaluated = run(jax.random.key(1))
    plain = jax.jit(lambda v: TINY.apply(v, IMAGES, True))(variables).blocks  # without a rate it needs no key
    np.testing.assert_allclose(trained["layer01"], evaluated["layer01"], atol=1e-6)
    np.testing.assert_allclose(plain["layer03"], evaluated["layer03"], atol=1e-5)
    assert not np.allclose(trained["layer03"], evaluated["layer03"], atol=1e-3)
    again, _ = run(jax.random.key(1))
    other, _ = run(jax.random.key(2))
    np.testing.assert_array_equal(again["layer03"], trained["layer03"])
    assert not np.allclose(other["layer03"], trained["layer03"], atol=1e-3)


def test_drop_path_does_not_depend_on_the_number_of_devices():
    net = TINY.clone(drop_path=0.5)
    images = jax.random.normal(KEY, (8, 4, 4, 3))
    variables = filled(net, images)
    run = jax.jit(lambda x: net.apply(variables, x, True, rngs={"dropout": KEY}).exits["final"])
    one, eight = (run(jax.device_put(images, batch_sharding(make_mesh(jax.devices()[:n])))) for n in (1, 8))
    np.testing.assert_allclose(one, eight, atol=1e-5)


def test_a_frozen_projection_is_not_a_parameter_and_never_moves():
    method = SimCLR(encoder=TINY.clone(depth=1), head=ProjectionHead(dim=4))
    views = jax.random.normal(KEY, (4, 2, 4, 4, 3))
    batch = {"view": views, "label": jnp.arange(4), "index": jnp.arange(4)}
    params, collections, state = jax.jit(method.init)(KEY, views)
    assert "patch" not in params["encoder"]
    frozen = collections.network["frozen"]["encoder"]["patch"]
    assert float(jnp.abs(frozen["kernel"]).max()) > 0
    optimizer = AdamW(weight_decay=0.5).transform(optax.constant_schedule(0.1))

    @jax.jit
    def step(params, collections):
        def loss_of(params):
            embeddings, new = method.embed(params, collections, state, batch, KEY)
            loss, *_ = method.loss(embeddings, state, batch, jnp.array(0), KEY)
            return loss, new

        (_, new), gradient = jax.value_and_grad(loss_of, has_aux=True)(params)
        updates, _ = optimizer.update(gradient, optimizer.init(params), params)
        return optax.apply_updates(params, updates), new

    moved, collections = step(params, collections)
    jax.tree.map(np.testing.assert_array_equal, collections.network["frozen"]["encoder"]["patch"], frozen)
    assert not np.allclose(moved["encoder"]["cls_token"], params["encoder"]["cls_token"])
    features = jax.eval_shape(method.features, moved, collections, views[:, 0])
    assert features["final"].shape == (4, 8)


def test_a_learned_projection_is_a_parameter():
    variables = jax.eval_shape(lambda: TINY.clone(projection="learned").init(KEY, IMAGES, True))
    assert set(variables) == {"params"} and "kernel" in variables["params"]["patch"]


def test_learned_positions_are_resized_to_other_grids():
    net = ViT(patch=2, width=4, depth=1, heads=1, positions="learned")
    shapes = jax.eval_shape(lambda: net.init(KEY, jnp.zeros((1, 6, 6, 3)), True))
    variables = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), shapes)
    grid = jnp.arange(9.0).reshape(3, 3)[..., None] + jnp.arange(4.0)[None, None]
    variables["params"]["pos_embed"] = jnp.concatenate([jnp.full((1, 4), 5.0), grid.reshape(9, 4)])[None]
    own = evaluate(net, variables, jnp.zeros((1, 6, 6, 3))).blocks["layer01"][0]
    np.testing.assert_allclose(own, grid, atol=1e-6)
    wide = evaluate(net, variables, jnp.zeros((1, 6, 10, 3))).blocks["layer01"][0]
    assert wide.shape == (3, 5, 4)
    np.testing.assert_allclose(wide[:, 2], grid[:, 1], atol=1e-5)  # the middle column stays in the middle
    variables["params"]["pos_embed"] = jnp.zeros((1, 7, 4))
    with pytest.raises(InputError, match="do not form a square grid"):
        net.apply(variables, jnp.zeros((1, 6, 6, 3)), False)


def test_initial_weights():
    """As in MoCo v3: Xavier uniform, separately for query, key and value; the class token is almost zero."""
    variables = jax.jit(lambda: network("vit_tiny_32", depth=1).init(KEY, jnp.zeros((1, 32, 32, 3)), True))()
    params = variables["params"]["layer01"]
    bounds = {
        ("attention", "qkv"): 6 / (192 + 192),
        ("attention", "output"): 6 / (192 + 192),
        ("mlp", "hidden"): 6 / (192 + 768),
        ("mlp", "output"): 6 / (192 + 768),
    }
    kernels = [(params[a][b]["kernel"], math.sqrt(square)) for (a, b), square in bounds.items()]
    kernels.append((variables["frozen"]["patch"]["kernel"], math.sqrt(6 / (3 * 32 * 32 + 192))))
    for kernel, bound in kernels:
        np.testing.assert_allclose(jnp.abs(kernel).max(), bound, rtol=1e-3)
        np.testing.assert_allclose(kernel.std(), bound / math.sqrt(3), rtol=0.02)
    assert 5e-7 < float(variables["params"]["cls_token"].std()) < 2e-6
    assert not params["attention"]["qkv"]["bias"].any()


def test_exits_are_float32_and_tokens_bfloat16():
    net = TINY.clone(dtype=jnp.bfloat16, subnetworks=("layer01",))
    outputs, variables = jax.jit(lambda: net.init_with_output(KEY, IMAGES, True))()
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
    assert outputs.blocks["layer01"].dtype == jnp.bfloat16
    assert all(z.dtype == jnp.float32 and jnp.isfinite(z).all() for z in outputs.exits.values())


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"subnetworks": ("layer3",)}, "did you mean 'layer0"),
        ({"subnetworks": ("layer03",)}, "network.subnetworks"),
        ({"heads": 3}, "network.width"),
        ({"projection": "froze"}, "did you mean 'frozen'"),
        ({"drop_path": 1.0}, "network.drop_path"),
        ({"positions": "learnt"}, "did you mean 'learned'"),
    ],
)
def test_impossible_networks_are_refused(fields, message):
    with pytest.raises(InputError, match=message):
        TINY.clone(**fields)


def test_images_that_cannot_be_cut_into_patches_are_refused():
    with pytest.raises(InputError, match="patches of 2"):
        TINY.init(KEY, jnp.zeros((1, 5, 4, 3)), True)
