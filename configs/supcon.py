"""SupCon: two views, positives are all images of the class (Khosla et al. 2020, Eq. 2, L_out).

    python -m contrastive_jax.main --config=configs/supcon.py:cifar10,resnet50 --workdir=runs/supcon
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:supcontrast --config.pretrained=runs/supcon

Recipe: the authors' PyTorch code for CIFAR, from which the paper's CIFAR numbers come (its parser's defaults are
other ones): 1000 epochs, batch 1024, learning rate 0.5 with 10 warm-up epochs from 0.01 and a cosine per epoch
down to a thousandth, SGD 0.9, weight decay 1e-4 on everything, tau 0.1. Its loss is the mean over anchors times
tau / 0.07, which `loss_scale` keeps. Expected linear accuracy, Table 2, one run:

    resnet50    CIFAR-10 96.0    CIFAR-100 76.5

SelfCon's Table 1 reruns it at batch 256 with their schedule: resnet18 CIFAR-10 94.73 +- 0.05, CIFAR-100
73.58 +- 0.02 (`--config.batch_size=256 --config.learning_rate.peak=0.125 --config.schedule.warmup_epochs=0.0`).
"""

from contrastive_jax.recipes import supcon


def get_config(argument="cifar10,resnet50"):
    return supcon.contrastive("supcon", argument, tau=0.1)
