"""Triplets in SupCon's framework (Khosla et al. 2020, Sec. 8): one positive, one negative, no mining.

    python -m contrastive_jax.main --config=configs/supcon_triplet.py:cifar10,resnet50 --workdir=runs/triplet
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:supcontrast --config.pretrained=runs/triplet

To first order a triplet loss with margin 2 tau. The paper derives it as a special case and trains none, so there
is no number to expect; recipe as in `supcon.py`.
"""

from contrastive_jax.recipes import supcon


def get_config(argument="cifar10,resnet50"):
    return supcon.contrastive("supcon_triplet", argument, tau=0.1)
