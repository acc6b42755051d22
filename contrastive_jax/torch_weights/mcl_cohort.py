"""Names of cohorts in MCL's code: independent networks in a `module_list`, or numbered branches of a shared trunk.

Our paths are `cohort/net1/...`, `cohort/trunk/...`, `classifier_net1/...`, `head_net1/...` (see `models.cohort`). A
single network is `encoder/...` with the classifier `head_final/...`. In MCL's code the criterion owns the heads.
"""

import re
from collections.abc import Iterable, Sequence

from contrastive_jax.torch_weights.renaming import LEAVES, Rule, minus_one, rename

BRANCH: tuple[Rule, ...] = ((r"^([^.]+)", r"\1_#"),)
"""The first component of a name ends with the number of the branch (`#`): `layer2_0.0.conv1.weight`."""
HEADS: tuple[Rule, ...] = (
    (r"^head_net(\d+)/hidden1/", minus_one("embed_list/", "/proj_head/0/")),
    (r"^head_net(\d+)/output/", minus_one("embed_list/", "/proj_head/2/")),
)


def cohort_names(
    paths: Iterable[str], network: Sequence[Rule], classifier: str, branch: Sequence[Rule] = BRANCH
) -> dict[str, str]:
    """`{path: torch name}` for a cohort or a single network.

    Args:
        paths: Our paths.
        network: From a path inside a network (`stem/conv/kernel`) to MCL's.
        classifier: Name of the classifier in an independent network.
        branch: From a name in an independent network (`fc.weight`) to that in branch `#` of a shared trunk.
    """
    paths = list(paths)
    shared = any(path.startswith("cohort/trunk/") for path in paths)
    names = rename([path for path in paths if re.match("head_net", path)], [*HEADS, *LEAVES])
    rules = [
        (r"^(?:classifier_net\d+|head_final)/", f"{classifier}/"),
        (r"^(?:cohort/net\d+|cohort/trunk|encoder)/", ""),
        *network,
        *LEAVES,
    ]
    for path in set(paths) - names.keys():
        name = rename([path], rules)[path]
        number = re.match(r"(?:cohort/|classifier_)net(\d+)/", path)
        if number and shared:
            name = rename([name], branch)[name].replace("#", str(int(number[1]) - 1))
        elif number:
            name = f"module_list.{int(number[1]) - 1}.{name}"
        names[path] = name
    return names
