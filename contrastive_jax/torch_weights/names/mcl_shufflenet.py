"""ShuffleNetV2 in MCL's code (models/shufflenetv2.py): a network or a cohort."""

from contrastive_jax.torch_weights.mcl_cohort import BRANCH, cohort_names
from contrastive_jax.torch_weights.renaming import Rule

RULES: list[Rule] = [
    (r"^stem/conv/", "conv1/"),
    (r"^stem/norm/", "bn1/"),
    (r"^last/conv/", "conv2/"),
    (r"^last/norm/", "bn2/"),
    (r"^block(\d+)/unit(\d+)/", lambda m: f"layer{m[1]}/{int(m[2]) - 1}/"),
    (r"/layer(\d)/conv/", r"/conv\1/"),
    (r"/layer(\d)/norm/", r"/bn\1/"),
]


def names(paths: list[str]) -> dict[str, str]:
    return cohort_names(paths, RULES, "linear", [(r"^linear\.", "classifier."), *BRANCH])
