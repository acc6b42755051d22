"""Group `hypersphere`: `out_align_2` has alpha = 2, `out_uniform_t1` has t = 1."""

import re

import jax.numpy as jnp
from golden_metric import MetricCase, NotCovered

from contrastive_jax.evaluate import hypersphere

NUMBER = r"(\d+(?:\.\d+)?)"


def align_uniform(case: MetricCase):
    case.expect(arrays="in_[xy] out_.*")
    x, y = jnp.asarray(case.array("in_x")), jnp.asarray(case.array("in_y"))
    functions = {
        f"align_{NUMBER}": lambda alpha: hypersphere.alignment(x, y, alpha=alpha),
        f"uniform_t{NUMBER}": lambda t: hypersphere.uniformity(x, t=t),
        "neg_align_2": lambda: hypersphere.pair_distance(x),
        "D": lambda: hypersphere.difference(x, y),
    }

    def answer(name):
        for pattern, function in functions.items():
            if match := re.fullmatch(pattern, name):
                return function(*map(float, match.groups()))
        raise NotCovered(f"the quantity '{name}'")

    return {f"out_{name}": answer(name) for name in case.named("out_")}


STEMS = {"align_uniform": align_uniform}
