"""Projectors and predictors in SDSSL's code (byol_pytorch/byol_pytorch.py).

A student with intermediate exits has one per layer in a `ModuleList`: our `projector/layer01/hidden1/...`,
`projector/final/...`. Other students and teachers have a single one: our `projector/hidden1/...`.
"""

import re

from contrastive_jax.torch_weights.renaming import LEAVES, Rule, rename


def rules(paths: list[str]) -> list[Rule]:
    """Rules for the heads in `paths`, from which their depth and number are read."""
    found = []
    for kind in ("projector", "predictor"):
        own = [path for path in paths if path.startswith(f"{kind}/")]
        layers = {m[0] for path in own if (m := re.match(rf"{kind}/layer\d+/", path))}
        depth = len({m[0] for path in own if (m := re.search(r"/hidden\d+/", path))})
        found += [
            (rf"^{kind}/layer(\d+)/", lambda m, kind=kind: f"{kind}/{int(m[1]) - 1}/net/"),
            (rf"^{kind}/final/", f"{kind}/{len(layers)}/net/"),
            (rf"^{kind}/(?=hidden|norm|output)", f"{kind}/net/"),
            (rf"^({kind}/.*)/output/", rf"\g<1>/{3 * depth}/"),
            (rf"^({kind}/.*)/output_norm/", rf"\g<1>/{3 * depth + 1}/"),
            (rf"^({kind}/.*)/hidden(\d+)/", lambda m: f"{m[1]}/{3 * int(m[2]) - 3}/"),
            (rf"^({kind}/.*)/norm(\d+)/", lambda m: f"{m[1]}/{3 * int(m[2]) - 2}/"),
        ]
    return found


def names(paths: list[str]) -> dict[str, str]:
    return rename(paths, [*rules(paths), *LEAVES])
