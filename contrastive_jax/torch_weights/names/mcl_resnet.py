"""ImageNet ResNets in MCL's code (models/resnet_imagenet.py): a network or a cohort."""

from contrastive_jax.torch_weights.mcl_cohort import BRANCH, cohort_names
from contrastive_jax.torch_weights.names.mcl_cifar_resnet import RULES


def names(paths: list[str]) -> dict[str, str]:
    return cohort_names(paths, RULES, "fc", [(r"^fc\.", "classifier."), *BRANCH])
