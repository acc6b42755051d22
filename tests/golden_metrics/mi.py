"""Group `mi`: bounds with their gradients; `smile_5` clips at 5, `mine_buf03` has the moving average 0.3."""

import re

import jax
import jax.numpy as jnp
from golden_metric import MetricCase, NotCovered

from contrastive_jax.losses import mutual_information as mi


def bounds(case: MetricCase):
    case.expect(params="momentum", arrays="in_(scores|log_baseline) out_.*")
    names = case.named("out_")
    known = {name: _bound(case, re.sub("_(grad|bufupdate)$", "", name)) for name in names}

    @jax.jit
    def answer(scores):
        return {f"out_{name}": _part(bound, name, scores) for name, bound in known.items()}

    return answer(jnp.asarray(case.array("in_scores")))


def _part(bound, name: str, scores):
    if name.endswith("_grad"):
        return jax.grad(lambda f: bound(f)[0])(scores)
    return bound(scores)[int(name.endswith("_bufupdate"))]


def _bound(case: MetricCase, name: str):
    """A function of the scores: the bound and, for MINE, the batch's contribution to the average."""
    plain = {
        "infonce": mi.infonce,
        "nwj": mi.nwj,
        "dv": mi.donsker_varadhan,
    }
    plain |= {"js": mi.jensen_shannon}
    if name in plain:
        return lambda f: (plain[name](f),)
    if name == "tuba_base":  # NWJ is TUBA with the log baseline 1
        baseline = jnp.asarray(case.array("in_log_baseline"))
        return lambda f: (mi.nwj(f - baseline[:, None] + 1),)
    if found := re.fullmatch(r"smile_(\d+(?:\.\d+)?)", name):
        return lambda f: (mi.smile(f, clip=float(found[1])),)
    if found := re.fullmatch(r"mine_buf(0?)(\d+(?:\.\d+)?)", name):
        average = float(f"0.{found[2]}" if found[1] and "." not in found[2] else found[2])
        return lambda f: mi.mine(f, average=average, momentum=case.number("momentum"))
    raise NotCovered(f"the bound '{name}'")


STEMS = {"bounds": bounds}
