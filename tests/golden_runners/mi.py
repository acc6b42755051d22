"""Golden family `mi`: bounds on a score matrix; array-name suffixes carry the parameters."""

import re

from golden_case import Case, NotCovered, Plan

from contrastive_jax.losses import mutual_information as mi

PLAIN = {
    "infonce": mi.infonce,
    "nwj": mi.nwj,
    "dv": mi.donsker_varadhan,
    "js": mi.jensen_shannon,
    "smile_noclip": mi.smile,
}
NUMBER = r"(\d+(?:\.\d+)?)"


def plan(case: Case) -> Plan:
    names = [n.removeprefix("out_") for n in case.arrays if n.startswith("out_") and "grad" not in n]
    bounds = {name: _bound(case, name) for name in names}

    def values(arrays):
        return {f"out_{name}": bound(arrays["in_scores"]) for name, bound in bounds.items()}

    return Plan(values, {f"out_grad_{name}": (f"out_{name}", "in_scores") for name in names})


def _bound(case: Case, name: str):
    if name in PLAIN:
        return PLAIN[name]
    if found := re.fullmatch(f"smile_clip{NUMBER}", name):
        return lambda f: mi.smile(f, clip=float(found[1]))
    if found := re.fullmatch(f"(cpc|mlcpc)_alpha{NUMBER}", name):
        bound = {"cpc": mi.cpc, "mlcpc": mi.ml_cpc}[found[1]]
        return lambda f: bound(f, alpha=float(found[2]))
    if found := re.fullmatch(f"mine_buffer{NUMBER}(?:_m(.+))?", name):
        average, momentum = float(found[1]), _momentum(case, float(found[1]), found[2])
        return lambda f: mi.mine(f, average=average, momentum=momentum)[0]
    raise NotCovered(f"no bound '{name}'")


def _momentum(case: Case, average: float, suffix: str | None) -> float:
    """The hyper-parameters' momentum for this moving average; `_m05` in a name is 0.5 without its point."""
    given = {e["momentum"] for e in case.hyper("mine") if float(e["buffer"]) == average}
    named = {m for m in given if f"out_mine_buffer{average:g}_m{_digits(m)}" in case.arrays}
    fits = given - named if suffix is None else {m for m in given if suffix in (_digits(m), str(m))}
    if len(fits) != 1:
        raise NotCovered(f"no single momentum '{suffix}' for the moving average {average:g}")
    return float(fits.pop())


def _digits(momentum: float) -> str:
    return str(momentum).replace(".", "")
