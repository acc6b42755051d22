"""Wide ResNets in MCL's code (models/wrn.py): a network or a cohort."""

from contrastive_jax.torch_weights.mcl_cohort import BRANCH, cohort_names
from contrastive_jax.torch_weights.renaming import Rule, minus_one

RULES: list[Rule] = [
    (r"^stem/conv/", "conv1/"),
    (r"^stem/kernel$", "conv1/kernel"),
    (r"^norm/", "bn1/"),
    (r"/unit(\d+)/", minus_one("/layer/", "/")),
    (r"/shortcut/", "/convShortcut/"),
    (r"/norm(\d)/", r"/bn\1/"),
]


def names(paths: list[str]) -> dict[str, str]:
    return cohort_names(paths, RULES, "fc", [(r"^fc\.", "classifier."), (r"^bn1\.", "bn."), *BRANCH])
