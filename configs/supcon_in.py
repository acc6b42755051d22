"""SupCon with the sum over positives inside the logarithm (Khosla et al. 2020, Eq. 3, L_in).

    python -m contrastive_jax.main --config=configs/supcon_in.py:cifar10,resnet50 --workdir=runs/in
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:supcontrast --config.pretrained=runs/in

Recipe as in `supcon.py`; only the place of the sum differs. The paper compares the two on ImageNet alone,
resnet50, Table 1: top-1 67.4 for L_in, 78.7 for L_out. It gives no number for CIFAR.
"""

from contrastive_jax.recipes import supcon


def get_config(argument="cifar10,resnet50"):
    return supcon.contrastive("supcon_in", argument, tau=0.1)
