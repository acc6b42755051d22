"""Weights under PyTorch's names and back, and messages about state dicts that do not fit."""

import functools
import pkgutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from filled import filled
from golden.networks import formula
from parity_cases import CASES

from contrastive_jax.errors import InputError
from contrastive_jax.models import network
from contrastive_jax.models.heads import MultiExit, ProjectionHead
from contrastive_jax.torch_weights import from_torch, names, to_torch
from contrastive_jax.torch_weights.names import table, torch_shapes

RESNET = MultiExit(
    network("resnet8", width=4, subnetworks=("block1",), subnetwork="fc"), ProjectionHead(dim=8)
)


SLOW = {"selfcon_resnet50_small", "mcl_resnet110_M2", "mcl_resnet32_M3", "mcl_hcgnet_a1_M2"}
NAMES = [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in CASES]


def shapes(module, size: int = 16):
    images = jnp.zeros((2, size, size, 3))
    return jax.eval_shape(lambda: module.init(jax.random.key(0), images, True))


def bytes_like(like):
    """Random variables of the given shapes, in the smallest type. Random values reveal a wrong transposition."""
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: rng.integers(-128, 127, leaf.shape, np.int8), like)


@functools.cache
def resnet() -> dict:
    return jax.tree.map(np.asarray, filled(RESNET, jnp.zeros((2, 16, 16, 3))))


def same(a, b) -> bool:
    return jax.tree.structure(a) == jax.tree.structure(b) and all(
        np.array_equal(x, y) and x.dtype == y.dtype for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b))
    )


@pytest.mark.parametrize("name", NAMES)
def test_conversion_there_and_back_is_exact(name):
    case = CASES[name]()
    variables = bytes_like(jax.eval_shape(case.init, jnp.zeros((2, 64, 64, 3))))
    tensors = to_torch(variables, case.naming)
    assert same(from_torch(variables, tensors, case.naming), variables)
    assert all(tensor.flags["C_CONTIGUOUS"] for tensor in tensors.values())
    norms = {name for name in tensors if name.endswith("running_mean")}
    assert {name for name in tensors if "num_batches" in name} == {
        name.replace("running_mean", "num_batches_tracked") for name in norms
    }


def test_every_file_of_the_package_names_is_a_table():
    found = [module.name for module in pkgutil.iter_modules(names.__path__)]
    assert "selfcon_resnet" in found
    assert all(callable(table(name).names) for name in found)


@pytest.mark.parametrize("depth, tensors, parameters", [(18, 122, 11_689_512), (50, 320, 25_557_032)])
def test_torchvision_resnets_are_complete(depth, tensors, parameters):
    """torchvision's numbers of tensors and of parameters, with a classifier for 1000 classes."""
    like = shapes(
        MultiExit(network(f"resnet{depth}", stem="imagenet"), ProjectionHead(dim=1000, depth=1)), 32
    )
    found = {name: a.shape for name, a in to_torch(bytes_like(like), "torchvision_resnet").items()}
    assert len(found) == tensors
    assert sum(leaf.size for leaf in jax.tree.leaves(like["params"])) == parameters
    expected = {
        "conv1.weight": (64, 3, 7, 7),
        "bn1.num_batches_tracked": (),
        "layer2.0.downsample.0.weight": (512, 256, 1, 1) if depth == 50 else (128, 64, 1, 1),
        "layer2.0.downsample.1.running_var": (512,) if depth == 50 else (128,),
        f"layer4.{2 if depth == 50 else 1}.conv2.weight": (512, 512, 3, 3),
        "fc.weight": (1000, 2048 if depth == 50 else 512),
        "fc.bias": (1000,),
    }
    assert expected.items() <= found.items()


def test_torchvision_encoders_ignore_a_classifier_on_request():
    encoder = network("resnet18", stem="imagenet")
    like = bytes_like(shapes(encoder, 32))
    tensors = to_torch(like, "torchvision_resnet")
    assert len(tensors) == 120 and "layer1.0.conv1.weight" in tensors
    classifier = {"fc.weight": np.zeros((7, 512)), "fc.bias": np.zeros(7)}
    assert same(from_torch(like, tensors | classifier, "torchvision_resnet", without=("fc.",)), like)
    with pytest.raises(InputError, match="2 unexpected: fc.bias, fc.weight"):
        from_torch(like, tensors | classifier, "torchvision_resnet")
    with pytest.raises(InputError, match="torchvision has no names"):
        to_torch(resnet(), "torchvision_resnet")


@pytest.mark.parametrize("positions, size", [("sincos", 32), ("learned", 224)])
def test_timm_vit_is_complete(positions, size):
    """vit_base_patch16_224 has 152 tensors and 86,567,656 parameters with its head and learned positions."""
    encoder = network("vit_base_16", projection="learned", positions=positions)
    like = shapes(MultiExit(encoder, ProjectionHead(dim=1000, depth=1)), size)
    fixed = table("timm_vit").computed(encoder, 224, 224)
    tensors = {**torch_shapes(like, "timm_vit"), **{name: a.shape for name, a in fixed.items()}}
    assert set(fixed) == ({"pos_embed"} if positions == "sincos" else set())
    assert len(tensors) == 152
    assert sum(int(np.prod(shape)) for shape in tensors.values()) == 86_567_656
    expected = {
        "cls_token": (1, 1, 768),
        "pos_embed": (1, 197, 768),
        "patch_embed.proj.weight": (768, 3, 16, 16),
        "blocks.11.attn.qkv.weight": (2304, 768),
        "blocks.0.mlp.fc1.bias": (3072,),
        "norm.weight": (768,),
        "head.weight": (1000, 768),
    }
    assert expected.items() <= tensors.items()


def test_stored_positions_must_equal_the_computed_ones():
    encoder = network("vit_tiny_4", depth=1)
    like = bytes_like(shapes(encoder))
    positions = table("timm_vit").computed(encoder, 16, 16)
    tensors = to_torch(like, "timm_vit", computed=positions)
    assert same(from_torch(like, tensors, "timm_vit", computed=positions), like)
    with pytest.raises(InputError, match="pos_embed .* not what this network computes"):
        from_torch(like, tensors | {"pos_embed": tensors["pos_embed"] + 1}, "timm_vit", computed=positions)
    with pytest.raises(InputError, match=r"pos_embed is \(1, 5, 192\) instead of \(1, 17, 192\)"):
        from_torch(like, tensors | {"pos_embed": tensors["pos_embed"][:, :5]}, "timm_vit", computed=positions)


def test_learned_positions_are_converted():
    encoder = network("vit_tiny_4", depth=1, positions="learned", projection="learned")
    like = bytes_like(shapes(encoder))
    tensors = to_torch(like, "timm_vit", computed=table("timm_vit").computed(encoder, 16, 16))
    assert tensors["pos_embed"].shape == (1, 17, 192)
    assert np.array_equal(tensors["pos_embed"], like["params"]["pos_embed"])
    assert same(from_torch(like, tensors, "timm_vit"), like)
    other = from_torch(like, tensors | {"pos_embed": tensors["pos_embed"][:, ::-1]}, "timm_vit")
    assert np.array_equal(other["params"]["pos_embed"][:, ::-1], tensors["pos_embed"])
    del tensors["pos_embed"]
    with pytest.raises(InputError, match="1 missing: pos_embed"):
        from_torch(like, tensors, "timm_vit")


def test_wrappers_and_prefixes_are_removed():
    variables = resnet()
    tensors = to_torch(variables, "selfcon_resnet")
    for wrapped in (
        {f"module.{name}": a for name, a in tensors.items()},
        {name.replace("encoder.", "encoder.module."): a for name, a in tensors.items()},  # SupContrast's
        {f"_orig_mod.module.{name}": a for name, a in tensors.items()},
        {name: a for name, a in tensors.items() if "num_batches" not in name},
    ):
        assert same(from_torch(variables, wrapped, "selfcon_resnet"), variables)
    two = to_torch(variables, "selfcon_resnet", prefix="student.") | {"teacher.conv1.weight": np.zeros(1)}
    assert same(from_torch(variables, two, "selfcon_resnet", prefix="student."), variables)
    with pytest.raises(InputError, match="did you mean 'student.'"):
        from_torch(variables, two, "selfcon_resnet", prefix="studnet.")


def test_a_state_dict_that_does_not_fit_is_refused_with_all_names():
    variables = resnet()
    tensors = to_torch(variables, "selfcon_resnet")
    tensors["encoder.layer1.0.conv_1.weight"] = tensors.pop("encoder.layer1.0.conv1.weight")
    tensors["head.2.bias"] = np.zeros(9)
    with pytest.raises(InputError) as error:
        from_torch(variables, tensors, "selfcon_resnet")
    count = len(torch_shapes(variables, "selfcon_resnet"))
    assert str(error.value) == (
        f"the state dict does not fit the network of {count} tensors (1 missing: encoder.layer1.0.conv1.weight "
        "(nearest: encoder.layer1.0.conv_1.weight); 1 unexpected: encoder.layer1.0.conv_1.weight; "
        "1 with another shape: head.2.bias is (9,) instead of (8,)): check the naming, the prefix and the network's "
        "fields."
    )
    with pytest.raises(InputError, match="did you mean 'selfcon_resnet'"):
        from_torch(variables, tensors, "selfcon_resnets")
    with pytest.raises(InputError, match=", ..."):
        from_torch(variables, {"a": np.zeros(1)}, "selfcon_resnet")


def test_a_filled_network_computes_what_the_source_computes():
    """Beyond names: the outputs of a filled network change and equal the source's."""
    source, images = resnet(), jnp.asarray(formula.images((2, 16, 16, 3)))
    fresh = jax.tree.map(lambda leaf: leaf + 0.5, source)
    filled = from_torch(fresh, to_torch(source, "selfcon_resnet"), "selfcon_resnet")
    apply = jax.jit(lambda variables: RESNET.apply(variables, images, False)[0]["final"])
    given, wanted, before = (apply(variables) for variables in (filled, source, fresh))
    assert np.array_equal(given, wanted) and not np.allclose(given, before)
