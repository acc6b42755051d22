"""SupCon-S: SupCon on a single view, SelfCon's control experiment (Bae et al. 2021, Sec. 4.1).

    python -m contrastive_jax.main --config=configs/supcon_s.py:cifar100,resnet18 --workdir=runs/supcon_s
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:selfcon --config.pretrained=runs/supcon_s

Recipe and source as in `selfcon_s.py`, without a sub-network. Expected linear accuracy, Table 1:

    resnet18    CIFAR-10 94.87 +- 0.05    CIFAR-100 74.15 +- 0.02    Tiny-ImageNet 54.59 +- 0.17
    resnet50    CIFAR-10 95.66 +- 0.06    CIFAR-100 76.79 +- 0.18    Tiny-ImageNet 57.17 +- 2.37
"""

from contrastive_jax.recipes import selfcon


def get_config(argument="cifar100,resnet18"):
    return selfcon.contrastive("supcon_s", argument, tau=0.1)
