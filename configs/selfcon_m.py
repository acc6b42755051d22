"""SelfCon-M: SupCon on the backbone and alpha times the sub-networks' anchors, two views (Bae et al. 2021, Eq. 2).

    python -m contrastive_jax.main --config=configs/selfcon_m.py:cifar100,resnet18 --workdir=runs/selfcon_m
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:selfcon --config.pretrained=runs/selfcon_m

Recipe as in `selfcon_s.py` (App. B); alpha 1. Expected linear accuracy of the backbone, Table 1:

    resnet18    CIFAR-10 95.06 +- 0.04    CIFAR-100 74.31 +- 0.12    Tiny-ImageNet 58.66 +- 0.54
    resnet50    CIFAR-10 95.72 +- 0.21    CIFAR-100 78.09 +- 0.05    Tiny-ImageNet 63.12 +- 0.11

The released code's `alpha > 0` is this loss, times tau / 0.07; its alpha = 0 is `selfcon_m_joint.py`.
"""

from contrastive_jax.recipes import selfcon


def get_config(argument="cifar100,resnet18"):
    return selfcon.between_exits("selfcon_m", argument, tau=0.1, alpha=1.0)
