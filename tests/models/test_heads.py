"""Heads: every BatchNorm option against NumPy, and all heads of `ExitHeads` at once against one by one."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from filled import filled

from contrastive_jax.errors import InputError
from contrastive_jax.models.heads import ExitHeads, ProjectionHead
from contrastive_jax.parallel.mesh import make_mesh

KEY = jax.random.key(0)
X = jax.random.normal(KEY, (6, 5))
SDSSL = ProjectionHead(
    dim=4, depth=3, hidden=8, hidden_norm=True, output_norm="plain", hidden_bias=False, output_bias=False
)
SIMCLR = ProjectionHead(
    dim=4,
    depth=3,
    hidden_norm=True,
    output_norm="scale",
    hidden_bias=False,
    output_bias=False,
    kernel="normal",
)


def init(head, x=X):
    """Compiled, because hundreds of small operations take longer."""
    return jax.jit(head.init, static_argnums=2)(KEY, x, True)


def paths(tree):
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf.shape
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def oracle(head, variables, x, train):
    """The head's output in float64, layer by layer."""
    read = lambda tree: jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), tree)  # noqa: E731
    params, stats = read(variables["params"]), read(variables.get("batch_stats", {}))
    x = np.asarray(x, np.float64)

    def linear(name, x):
        return x @ params[name]["dense"]["kernel"] + params[name]["dense"].get("bias", 0.0)

    def norm(name, x):
        mean, var = (
            (x.mean(0), x.var(0)) if train else (stats[name]["norm"]["mean"], stats[name]["norm"]["var"])
        )
        learned = params.get(name, {}).get("norm", {})
        return (x - mean) / np.sqrt(var + 1e-5) * learned.get("scale", 1.0) + learned.get("bias", 0.0)

    for i in range(1, head.depth):
        x = linear(f"hidden{i}", x)
        x = np.maximum(0, norm(f"norm{i}", x) if head.hidden_norm else x)
    x = linear("output", x)
    return x if head.output_norm == "none" else norm("output_norm", x)


@pytest.mark.parametrize(
    "head, train",
    [
        (ProjectionHead(dim=4), True),
        (ProjectionHead(dim=4, depth=1), False),
        (ProjectionHead(dim=4, depth=4, hidden=3), False),
        (ProjectionHead(dim=4, hidden=8, hidden_norm=True, output_bias=False), True),
        (ProjectionHead(dim=4, hidden_norm=True, output_norm="affine"), True),
        (SDSSL, True),
        (SDSSL, False),
        (SIMCLR, True),
    ],
    ids=["default", "linear", "deep", "byol", "affine", "sdssl", "sdssl evaluated", "simclr"],
)
def test_a_head_matches_the_formula(head, train):
    variables = filled(head, X)
    found, _ = jax.jit(lambda v: head.apply(v, X, train, mutable=["batch_stats"]))(variables)
    np.testing.assert_allclose(found, oracle(head, variables, X, train), rtol=1e-4, atol=1e-4)


def test_options_determine_the_parameters():
    def params(head):
        return set(paths(jax.eval_shape(lambda: head.init(KEY, X, True))["params"]))

    kernels = {f"{name}/dense/kernel" for name in ("hidden1", "hidden2", "output")}
    hidden = {f"norm{i}/norm/{name}" for i in (1, 2) for name in ("scale", "bias")}
    assert params(ProjectionHead()) == {
        f"{layer}/dense/{name}" for layer in ("hidden1", "output") for name in ("kernel", "bias")
    }
    assert params(SDSSL) == kernels | hidden
    assert params(SIMCLR) == kernels | hidden | {"output_norm/norm/scale"}


def test_simclr_kernels_start_normal():
    head = SIMCLR.clone(dim=64, hidden=64)
    kernel = init(head)["params"]["output"]["dense"]["kernel"]
    np.testing.assert_allclose(kernel.std(), 0.01, rtol=0.05)


def test_groups_reach_the_batch_norms_of_a_head():
    head = SDSSL.clone(norm_group=3)
    variables = filled(head, X)
    run = jax.jit(lambda v, x: head.apply(v, x, True, mutable=["batch_stats"])[0])
    whole, half = run(variables, X), run(variables, X[:3])
    np.testing.assert_allclose(whole[:3], half, atol=1e-5)


EXITS = {
    name: jax.random.normal(jax.random.key(i), (6, 5))
    for i, name in enumerate(("layer01", "layer02", "final"))
}
HEADS = ExitHeads(SDSSL, SDSSL.clone(hidden=16))


@functools.cache
def exit_heads():
    """The variables of `HEADS`."""
    return init(HEADS, EXITS)


@pytest.mark.parametrize("train", [True, False])
def test_all_heads_at_once_equal_the_heads_one_by_one(train):
    variables = filled(HEADS, EXITS)

    def at_once(params):
        z, new = HEADS.apply({**variables, "params": params}, EXITS, train, mutable=["batch_stats"])
        return sum(jnp.sum(jnp.sin(value)) for value in z.values()), (z, new["batch_stats"])

    def one_by_one(params):
        z, new = {}, {}
        for name, x in EXITS.items():
            head = HEADS.final_head if name == "final" else HEADS.inner_head
            own = {"params": params[name], "batch_stats": variables["batch_stats"][name]}
            z[name], state = head.apply(own, x, train, mutable=["batch_stats"])
            new[name] = state["batch_stats"]
        return sum(jnp.sum(jnp.sin(value)) for value in z.values()), (z, new)

    ours, theirs = (jax.jit(jax.grad(f, has_aux=True))(variables["params"]) for f in (at_once, one_by_one))
    assert paths(ours) == paths(theirs)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), ours, theirs)
    assert train != np.allclose(
        ours[1][1]["layer01"]["norm1"]["norm"]["mean"],
        variables["batch_stats"]["layer01"]["norm1"]["norm"]["mean"],
    )


def test_heads_of_equal_shape_are_evaluated_in_one_product():
    variables = exit_heads()
    text = str(jax.make_jaxpr(lambda v, x: HEADS.apply(v, x, False))(variables, EXITS))
    assert text.count("dot_general[") == 2 * SDSSL.depth  # one for the inner heads, one for the final head
    predictors = ExitHeads(SDSSL, SDSSL)
    variables = jax.eval_shape(lambda: predictors.init(KEY, EXITS, True))
    text = str(jax.make_jaxpr(lambda v, x: predictors.apply(v, x, False))(variables, EXITS))
    assert text.count("dot_general[") == SDSSL.depth


def test_heads_start_different_and_only_kernels_are_matrices():
    params = exit_heads()["params"]
    kernels = [params[name]["hidden1"]["dense"]["kernel"] for name in ("layer01", "layer02")]
    assert not np.allclose(*kernels)
    assert {name.rsplit("/")[-1] for name, shape in paths(params).items() if len(shape) > 1} == {"kernel"}


@pytest.mark.parametrize("rows, group", [(2, 4), (2, -1)])
def test_initialisation_takes_any_number_of_rows(rows, group):
    """It sees fewer rows than a group has, and its values depend on neither."""
    inner, final = (head.clone(norm_group=group) for head in (HEADS.inner_head, HEADS.final_head))
    exits = {name: x[:rows] for name, x in EXITS.items()}
    with jax.set_mesh(make_mesh()):
        found = init(ExitHeads(inner, final), exits)
    jax.tree.map(np.testing.assert_array_equal, found, exit_heads())


def test_heads_without_batch_norm_have_no_state():
    heads = ExitHeads(ProjectionHead(dim=4), ProjectionHead(dim=4))
    z, variables = heads.init_with_output(KEY, EXITS, True)
    assert set(variables) == {"params"} and list(z) == list(EXITS)
    again, state = heads.apply(variables, EXITS, True, mutable=["batch_stats"])
    assert not state
    np.testing.assert_allclose(again["final"], z["final"])


@pytest.mark.parametrize(
    "fields, message",
    [({"depth": 0}, "head.depth"), ({"output_norm": "plane"}, "'plain'"), ({"kernel": "he"}, "head.kernel")],
)
def test_impossible_heads_are_refused(fields, message):
    with pytest.raises(InputError, match=message):
        ProjectionHead(**fields)
