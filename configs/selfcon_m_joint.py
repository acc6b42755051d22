"""What SelfCon's released code calls SelfCon-M at alpha = 0: all exits of both views in one SupCon.

    python -m contrastive_jax.main --config=configs/selfcon_m_joint.py:cifar100,resnet18 --workdir=runs/m_joint
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:selfcon --config.pretrained=runs/m_joint

Not the paper's Eq. 2 (`selfcon_m.py`), and without a published number of its own. Recipe as in `selfcon_s.py`.
"""

from contrastive_jax.recipes import selfcon


def get_config(argument="cifar100,resnet18"):
    return selfcon.between_exits("selfcon_m_joint", argument, tau=0.1)
