"""Cross-entropy as SupCon's baseline and as its two-stage control (Khosla et al. 2020, Table 2, Sec. 13).

    python -m contrastive_jax.main --config=configs/supcon_cross_entropy.py:cifar10,resnet50 --workdir=runs/ce
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:supcontrast --config.pretrained=runs/ce

The first command trains encoder and classifier in one stage. The second is the two-stage control: it throws that
classifier away and trains a new one on the frozen encoder. Expected top-1 with resnet50:

    one stage (Table 2)              CIFAR-10 95.0    CIFAR-100 75.3    ImageNet 78.2
    one and two stages (Table 7)     ImageNet 77.1 and 73.7

Recipe as in `supcon.py`: the paper keeps batch and augmentation equal and tunes the rate, which it does not
state.
"""

from contrastive_jax.recipes import supcon


def get_config(argument="cifar10,resnet50"):
    return supcon.cifar("cross_entropy", argument)
