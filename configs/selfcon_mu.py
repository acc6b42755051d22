"""SelfCon-MU: SimCLR on the backbone and alpha times the sub-networks' anchors (Bae et al. 2021, Eq. 6).

    python -m contrastive_jax.main --config=configs/selfcon_mu.py:cifar100,resnet18 --workdir=runs/selfcon_mu
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:selfcon --config.pretrained=runs/selfcon_mu

Recipe as in `selfcon_s.py` with tau 0.5 (App. G). Expected linear accuracy of the backbone, Table 11, where the
names of the two networks are exchanged (Table 12 shows it):

    resnet18    CIFAR-10 91.86 +- 0.22    CIFAR-100 64.67 +- 0.61    Tiny-ImageNet 43.08 +- 0.15
    resnet50    CIFAR-10 94.02 +- 0.15    CIFAR-100 70.83 +- 0.30    Tiny-ImageNet 44.18 +- 0.99
"""

from contrastive_jax.recipes import selfcon


def get_config(argument="cifar100,resnet18"):
    return selfcon.between_exits("selfcon_mu", argument, tau=0.5, alpha=1.0)
