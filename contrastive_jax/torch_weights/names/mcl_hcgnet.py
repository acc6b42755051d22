"""HCGNet in MCL's code (models/hcgnet.py): a network or a cohort."""

from contrastive_jax.torch_weights.mcl_cohort import cohort_names
from contrastive_jax.torch_weights.renaming import Rule

RULES: list[Rule] = [
    (r"^stem/", "features/conv0/"),
    (r"^norm/", "features/norm5/"),
    (r"^block(\d+)/layer(\d+)/", r"features/HybridBlock\1/SMG\2/"),
    (r"^block(\d+)/transition/", r"features/Transition\1/"),
    (r"/gates/forget/context/", "/global_forget_context/"),
    (r"/gates/forget/reduce/", "/fc1/"),
    (r"/gates/forget/norm/", "/bn_forget/"),
    (r"/gates/forget/expand/", "/fc2/"),
    (r"/gates/update/near/", "/conv_3x3/"),
    (r"/gates/update/far/", "/conv_5x5/"),
    (r"/gates/update/near_context/", "/global_context3x3/"),
    (r"/gates/update/far_context/", "/global_context5x5/"),
    (r"/gates/update/reduce/", "/fcall/"),
    (r"/gates/update/norm/", "/bn_attention/"),
    (r"/gates/update/near_weight/", "/fc3x3/"),
    (r"/gates/update/far_weight/", "/fc5x5/"),
    (r"/reduce/", "/conv1_1x1/"),
    (r"/squeeze/", "/conv2_3x3/"),
]
BRANCH: list[Rule] = [
    (r"^features\.(HybridBlock|Transition)(\d)\.", r"layer\2_\1#."),
    (r"^features\.norm5\.", "norm5_#."),
    (r"^classifier\.", "linear_#."),
]


def names(paths: list[str]) -> dict[str, str]:
    return cohort_names(paths, RULES, "classifier", BRANCH)
