"""AutoAugment and RandAugment: every operation against PIL, every draw against its table."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from contrastive_jax.augment import pil as pil
from contrastive_jax.augment import policies as policies

HEIGHT, WIDTH, FILL = 23, 30, 128
ENHANCE = {
    "brightness": ImageEnhance.Brightness,
    "contrast": ImageEnhance.Contrast,
    "color": ImageEnhance.Color,
    "sharpness": ImageEnhance.Sharpness,
}
AFFINE = {
    "shear_x": lambda a: (1, a, 0, 0, 1, 0),
    "shear_y": lambda a: (1, 0, 0, a, 1, 0),
    "translate_x": lambda a: (1, 0, -a, 0, 1, 0),
    "translate_y": lambda a: (1, 0, 0, 0, 1, -a),
}
AMOUNTS = {
    "shear_x": (0.3, -0.2, 0.05),
    "shear_y": (0.3, -0.13),
    "translate_x": (3, -7, 2.5),
    "translate_y": (14, -1),
    "rotate": (30, -30, 6.67, 17),
    "brightness": (0.1, 0.73, 1.0, 1.9),
    "contrast": (0.1, 0.6, 1.81),
    "color": (0.0, 0.4, 1.55),
    "sharpness": (0.1, 0.5, 1.9),
    "posterize": (4, 5, 7, 8),
    "solarize": (0, 113.33, 255),
    "solarize_add": (33, 110),
    "invert": (0,),
    "autocontrast": (0,),
    "equalize": (0,),
    "identity": (0,),
    "cutout": (4,),
}
CENTRE = (0.5, 0.05)  # of the cutout


def images():
    """Noise, a photograph-like gradient with few levels, and one with a flat channel."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    ramp = np.add.outer(np.arange(HEIGHT) * 3, np.arange(WIDTH) * 2)[..., None] + np.array([20, 60, 35])
    dark = (noise // 3 + 40).astype(np.uint8)
    dark[..., 1] = 77
    return {"noise": noise, "ramp": ramp.astype(np.uint8), "dark": dark}


def by_pil(image, name, amount):
    picture = Image.fromarray(image)
    gray = (FILL,) * 3
    if name in ENHANCE:
        return ENHANCE[name](picture).enhance(amount)
    if name in AFFINE:
        return picture.transform(picture.size, Image.Transform.AFFINE, AFFINE[name](amount), fillcolor=gray)
    if name == "cutout":
        blotted = image.copy()
        blotted[7:15, 0:5] = FILL  # the centre is pixel (11, 1), the half side 4
        return blotted
    if name == "solarize_add":
        return np.where(image < 128, np.minimum(image.astype(int) + amount, 255), image)
    others = {
        "rotate": lambda: picture.rotate(amount, fillcolor=gray),
        "posterize": lambda: ImageOps.posterize(picture, amount),
        "solarize": lambda: ImageOps.solarize(picture, amount),
        "invert": lambda: ImageOps.invert(picture),
        "autocontrast": lambda: ImageOps.autocontrast(picture),
        "equalize": lambda: ImageOps.equalize(picture),
        "identity": lambda: picture,
    }
    return others[name]()


CASES = [(kind, name, amount) for kind in images() for name in AMOUNTS for amount in AMOUNTS[name]]


@pytest.fixture(scope="module")
def applied():
    """All cases in one program."""
    stacked = jnp.asarray(np.stack([images()[kind] for kind, _, _ in CASES]))
    operations = pil.Operation(
        jnp.asarray([pil.NUMBER[name] for _, name, _ in CASES], jnp.int32),
        jnp.asarray([amount for _, _, amount in CASES], jnp.float32),
        jnp.broadcast_to(jnp.array(CENTRE), (len(CASES), 2)),
    )
    run = jax.jit(jax.vmap(lambda image, operation: pil.apply(image, operation, FILL)))
    return dict(zip(CASES, np.asarray(run(stacked, operations)), strict=True))


@pytest.mark.parametrize("name", list(AMOUNTS))
def test_operation_is_pils(applied, name):
    for case in CASES:
        if case[1] == name:
            got = applied[case].astype(int)
            expected = np.asarray(by_pil(images()[case[0]], name, case[2])).astype(int)
            if name == "rotate":  # a place on the border between two pixels may fall to either
                assert (got == expected).all(-1).mean() >= 0.99, case
            else:  # where the exact value is a whole level, PIL's float64 may fall just below it
                assert np.abs(got - expected).max() <= 1, case
                assert (got == expected).mean() >= 0.98, case


def test_one_channel():
    image = images()["noise"][..., :1]
    cases = [("equalize", 0.0), ("color", 1.5), ("contrast", 0.3)]
    operations = pil.Operation(
        jnp.array([pil.NUMBER[name] for name, _ in cases]),
        jnp.array([amount for _, amount in cases]),
        jnp.zeros((3, 2)),
    )
    run = jax.jit(jax.vmap(lambda operation: pil.apply(jnp.asarray(image), operation, 0)))
    for (name, amount), got in zip(cases, np.asarray(run(operations))[..., 0].astype(int), strict=True):
        assert np.abs(got - np.asarray(by_pil(image[..., 0], name, amount))).max() <= 1, name


def draws(name, layers, magnitude, side, n):
    policy = policies.POLICIES[name](layers, magnitude, side)
    operations = jax.jit(jax.vmap(lambda key: policies.draw(key, policy)))(
        jax.random.split(jax.random.key(0), n)
    )
    return policy, [jax.tree.map(np.asarray, operation) for operation in operations]


def test_autoaugment_draws_pairs_with_their_probabilities():
    n = 25_000
    policy, (first, second) = draws("autoaugment_cifar10", 9, 9.0, 32, n)
    pairs = {tuple(row) for row in policy.kind}
    identity = pil.NUMBER["identity"]
    for operation, column in ((first, 0), (second, 1)):
        expected = np.zeros(len(pil.OPERATIONS))
        for kind, probability in zip(policy.kind[:, column], policy.probability[:, column]):
            expected[kind] += probability / 25
            expected[identity] += (1 - probability) / 25
        found = np.bincount(operation.kind, minlength=len(expected)) / n
        assert np.abs(found - expected).max() < 0.012  # four standard errors
    both = (first.kind != identity) & (second.kind != identity)
    assert {(a, b) for a, b in zip(first.kind[both], second.kind[both])} <= pairs
    rotated = first.amount[first.kind == pil.NUMBER["rotate"]]
    np.testing.assert_allclose(np.unique(rotated), [-60 / 9, 60 / 9], rtol=1e-6)  # level 2 of 9
    assert abs((rotated > 0).mean() - 0.5) < 0.08


@pytest.mark.parametrize("layers", [1, 3])
def test_randaugment_draws_every_operation_equally_often(layers):
    n = 14_000
    _, operations = draws("randaugment", layers, 9.0, 224, n)
    assert len(operations) == layers
    for operation in operations:
        counts = np.bincount(operation.kind, minlength=len(pil.OPERATIONS))
        assert (counts > 0).sum() == 14 and counts[counts > 0].min() > 870 and counts.max() < 1130
        of = {name: np.unique(operation.amount[operation.kind == pil.NUMBER[name]]) for name in AMOUNTS}
        np.testing.assert_allclose(of["translate_x"], [-30, 30])  # int(150 / 331 * 224 * 0.3)
        np.testing.assert_allclose(of["shear_y"], [-0.09, 0.09], rtol=1e-6)
        np.testing.assert_allclose(of["sharpness"], [0.73, 1.27], rtol=1e-6)
        np.testing.assert_allclose(of["posterize"], [7])  # 8 - round(1.2)
        np.testing.assert_allclose(of["solarize"], [178.5])
    if layers > 1:  # the layers are independent
        assert abs((operations[0].kind == operations[1].kind).mean() - 1 / 14) < 0.01


def test_levels_of_the_learned_policies():
    cifar, imagenet, v0 = (
        policies.POLICIES[f"autoaugment_{name}"](0, 0.0, 224)
        for name in ("cifar10", "imagenet", "imagenet_v0")
    )
    assert all(len(policy.kind) == 25 for policy in (cifar, imagenet, v0))

    facts = [
        (cifar, 3, [(0.3 * 8 / 9, -0.3 * 8 / 9), (101, -101)]),  # ShearY 8, TranslateY 9
        (imagenet, 0, [(4, 4), (30, -30)]),  # Posterize 8, Rotate 9
        (imagenet, 16, [(1.8, 0.2), (255 * 2 / 9, 255 * 2 / 9)]),  # Color 8, Solarize 7
        (v0, 1, [(1.72, 1.72), (0, 0)]),  # Color 9, Equalize
        (v0, 12, [(2, 2), (0, 0)]),  # Posterize 6: int(2.4) bits
        (v0, 6, [(0, 0), (33, 33)]),  # Equalize, SolarizeAdd 3
        (v0, 15, [(21, -21), (225, -225)]),  # Rotate 7, TranslateY 9 of 250 pixels
    ]
    for policy, choice, expected in facts:
        np.testing.assert_allclose(policy.amount[choice], expected, rtol=1e-6)
