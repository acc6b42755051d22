"""What SelfCon's released code calls SelfCon-MU at alpha = 0: each view an instance of its own.

    python -m contrastive_jax.main --config=configs/selfcon_mu_joint.py:cifar100,resnet18 --workdir=runs/mu_joint
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:selfcon --config.pretrained=runs/mu_joint

Not the paper's Eq. 6 (`selfcon_mu.py`), and without a published number: the other view of an image is a negative
here. Recipe as in `selfcon_s.py` with tau 0.5.
"""

from contrastive_jax.recipes import selfcon


def get_config(argument="cifar100,resnet18"):
    return selfcon.between_exits("selfcon_mu_joint", argument, tau=0.5)
