"""Cross-entropy: the supervised baseline that SupCon and SelfCon compare with, trained in one stage.

    python -m contrastive_jax.main --config=configs/cross_entropy.py:cifar100,resnet18 --workdir=runs/ce
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:selfcon --config.pretrained=runs/ce

Expected accuracy of its own classifier: SelfCon, Table 1: resnet18 CIFAR-10 94.16 +- 0.37, CIFAR-100 72.09 +-
1.41, Tiny-ImageNet 57.44 +- 0.06; SupCon, Table 2: resnet50 CIFAR-10 95.0, CIFAR-100 75.3.

Recipe: optimiser and augmentation as in `selfcon_s.py`. The papers do not state its epochs: SelfCon says that its
settings hold for every experiment, so they are kept. The learning rate is per 128 images, as there.
"""

from contrastive_jax.recipes import selfcon


def get_config(argument="cifar100,resnet18"):
    return selfcon.cifar("cross_entropy", argument)
