"""SimCLR: two views, no labels, NT-Xent (Chen et al. 2020), as SupCon's authors ran it beside SupCon.

    python -m contrastive_jax.main --config=configs/simclr.py:cifar10,resnet50 --workdir=runs/simclr
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:simclr --config.pretrained=runs/simclr

Recipe: SupCon's PyTorch code for CIFAR: as `supcon.py` with tau 0.5. Its loss is the mean over anchors times
tau / 0.07 = 7.14, which `loss_scale` keeps because the learning rate was tuned with it. Expected linear accuracy,
SupCon's Table 2, one run:

    resnet50    CIFAR-10 93.6    CIFAR-100 70.7
"""

from contrastive_jax.recipes import supcon


def get_config(argument="cifar10,resnet50"):
    return supcon.contrastive("simclr", argument, tau=0.5)
