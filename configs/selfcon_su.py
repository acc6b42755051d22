"""SelfCon-SU: one view, no labels, the image's other exits its only positives (Bae et al. 2021, App. G).

    python -m contrastive_jax.main --config=configs/selfcon_su.py:cifar100,resnet18 --workdir=runs/selfcon_su
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:selfcon --config.pretrained=runs/selfcon_su

The paper gives no number: the encoder failed to converge, since two exits that see the same image agree too
easily. Expect features hardly better than an untrained encoder's. Recipe as in `selfcon_s.py` with tau 0.5.
"""

from contrastive_jax.recipes import selfcon


def get_config(argument="cifar100,resnet18"):
    return selfcon.between_exits("selfcon_su", argument, tau=0.5)
