"""N-pairs in SupCon's framework (Khosla et al. 2020, Sec. 4.1 and Eq. 27).

    python -m contrastive_jax.main --config=configs/supcon_n_pairs.py:cifar10,resnet50 --workdir=runs/n_pairs
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:supcontrast --config.pretrained=runs/n_pairs

One view, no temperature, and a single positive: another image of the class. The paper trained it on ImageNet with
resnet50 and batch 6144: top-1 57.4, against 78.7 for SupCon. No number for CIFAR; recipe as in `supcon.py`, where
the batch of 1024 gives nearly every image of CIFAR a partner.
"""

from contrastive_jax.recipes import supcon


def get_config(argument="cifar10,resnet50"):
    return supcon.cifar("supcon_n_pairs", argument, tau=1.0, views=1)
