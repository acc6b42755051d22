"""Group `intriguing`: digits over an image, bits as channels, and the distribution terms of the loss."""

import re

import jax.numpy as jnp
import numpy as np
from golden_metric import MetricCase, NotCovered

from contrastive_jax import losses
from contrastive_jax.augment import bits as augment_bits
from contrastive_jax.data import synthetic


def digit_on_image(case: MetricCase):
    case.expect(
        params="size digit ratios use_as_input",
        arrays="in_(image|digits) out_(image_x65535|digit_index)",
    )
    image, digits = case.array("in_image"), case.array("in_digits")
    if image.shape[:2] != (case.param("size"),) * 2 or digits.shape[1] != case.param("digit"):
        raise NotCovered("its images have other sizes than its parameters say")
    if case.param("use_as_input") != ["out_digit_index"]:
        raise NotCovered(f"use_as_input = {case.param('use_as_input')}")
    index = int(case.array("out_digit_index"))
    composed = synthetic.add_digit(image, digits[index], tuple(case.param("ratios")))
    return {"out_image_x65535": composed.astype(np.int64) * 257, "out_digit_index": index}


def randbit_pack(case: MetricCase):
    case.expect(
        params="n_bits image_scale packed_corner",
        arrays="in_(image|integer) out_(bits|packed_corner|packed_sum)",
    )
    case.choice("image_scale", "image/255")
    case.choice("packed_corner", "first 2 rows x 3 columns, all channels")
    bits = augment_bits.bits_of(jnp.asarray(case.array("in_integer")), case.param("n_bits"))
    packed = augment_bits.append_bits(jnp.asarray(case.array("in_image")) / 255.0, bits)
    return {
        "out_bits": bits,
        "out_packed_corner": packed[:, :2, :3],
        "out_packed_sum": jnp.sum(packed, axis=(1, 2)),
    }


def distribution_losses(case: MetricCase):
    case.expect(params="temps", arrays="in_(hidden|rand_w|prior_(normal|uniform)) out_.*")
    hidden, w = jnp.asarray(case.array("in_hidden")), jnp.asarray(case.array("in_rand_w"))
    normal, uniform = (jnp.asarray(case.array(f"in_prior_{name}")) for name in ("normal", "uniform"))
    pairs = losses.l2_normalize(hidden).reshape(-1, 2, hidden.shape[-1])
    swd = {
        "swd_normal": (hidden, normal),
        "swd_hypersphere": (losses.l2_normalize(hidden), losses.l2_normalize(normal)),
        "swd_hypercube": (hidden, uniform),
    }

    def answer(name):
        if name in swd:
            return jnp.mean(losses.sliced_wasserstein(*swd[name], w))
        found = re.fullmatch(r"logsumexp_t(\d+(?:\.\d+)?)", name)
        if found and float(found[1]) in case.param("temps"):
            return jnp.mean(losses.decoupled_nt_xent(pairs, tau=float(found[1])).distribution)
        raise NotCovered(f"the quantity '{name}'")

    return {f"out_{name}": answer(name) for name in case.named("out_")}


STEMS = {
    "digit_on_image": digit_on_image,
    "randbit_pack": randbit_pack,
    "distribution_losses": distribution_losses,
}
