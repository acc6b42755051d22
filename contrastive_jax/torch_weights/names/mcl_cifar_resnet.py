"""CIFAR ResNets in MCL's code (models/resnet.py): a network or a cohort."""

from contrastive_jax.torch_weights.mcl_cohort import cohort_names
from contrastive_jax.torch_weights.renaming import Rule, minus_one

RULES: list[Rule] = [
    (r"^stem/conv/", "conv1/"),
    (r"^stem/norm/", "bn1/"),
    (r"^block(\d+)/", r"layer\1/"),
    (r"/unit(\d+)/", minus_one("/", "/")),
    (r"/shortcut_conv/", "/downsample/0/"),
    (r"/shortcut_norm/", "/downsample/1/"),
    (r"/norm(\d)/", r"/bn\1/"),
]


def names(paths: list[str]) -> dict[str, str]:
    return cohort_names(paths, RULES, "classifier")
