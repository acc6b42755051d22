"""Names of heads in SelfCon's and SupContrast's code: `head` for the backbone, `sub_heads` for the sub-networks."""

import re

from contrastive_jax.torch_weights.renaming import Rule


def head_rules(paths: list[str]) -> list[Rule]:
    """Rules for the heads in `paths`, each a `Sequential` of Linear-ReLU-...-Linear or a single Linear."""
    exits = sorted({m[0] for path in paths if (m := re.match(r"head_(?!final/)[^/]+/", path))})
    hidden = {int(n) for path in paths for n in re.findall(r"^head_[^/]+/hidden(\d+)/", path)}
    output = f"/{2 * len(hidden)}/" if hidden else "/"
    return [
        *((f"^{exit}", f"sub_heads/{number}/") for number, exit in enumerate(exits)),
        (r"^head_final/", "head/"),
        (r"^((?:sub_)?heads?.*)/hidden(\d+)/", lambda m: f"{m[1]}/{2 * int(m[2]) - 2}/"),
        (r"^((?:sub_)?heads?.*)/output/", lambda m: f"{m[1]}{output}"),
    ]
