"""One-stage training as SelfCon's released code has it, beside the paper's (`selfcon_1stage_selfcon.py`).

    python -m contrastive_jax.main --config=configs/selfcon_1stage_released.py:cifar100,resnet18 --workdir=runs/released
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:selfcon --config.pretrained=runs/released

The third word of the argument picks its weights of cross-entropy, KD and SelfCon in the sub-networks' loss:

    selfcon      1, 0, 0.8 (the default)
    kd           0.5, 0.5, 0
    subnet_ce    1, 0, 0

Its SelfCon loss is the mean over anchors times tau / 0.07 with tau 3. Epochs, batch and rate as in the paper's
one-stage experiments; no numbers of this form are published.
"""

from contrastive_jax.recipes import selfcon, third_word

WEIGHTS = {"selfcon": (1.0, 0.0, 0.8), "kd": (0.5, 0.5, 0.0), "subnet_ce": (1.0, 0.0, 0.0)}


def get_config(argument="cifar100,resnet18,selfcon"):
    argument, row = third_word(argument, *WEIGHTS)
    alpha, beta, gamma = WEIGHTS[row]
    return selfcon.one_stage(
        "selfcon_1stage_released", argument, alpha=alpha, beta=beta, gamma=gamma * 3.0 / 0.07, tau=3.0
    )
