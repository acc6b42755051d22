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

from contrastive_jax.configuration import pretraining
from contrastive_jax.errors import InputError, nearest

WEIGHTS = {"selfcon": (1.0, 0.0, 0.8), "kd": (0.5, 0.5, 0.0), "subnet_ce": (1.0, 0.0, 0.0)}


def get_config(argument="cifar100,resnet18,selfcon"):
    config = pretraining("selfcon_1stage_released", argument)
    weights = (argument.split(",")[2:] or ["selfcon"])[0]
    if weights not in WEIGHTS:
        raise InputError(f"no weights '{weights}': {nearest(weights, WEIGHTS)}")
    alpha, beta, gamma = WEIGHTS[weights]
    config.epochs = 500.0
    config.batch_size = 512
    config.network.subnetworks = ("block2",)
    config.network.subnetwork = "small"
    config.method.update(alpha=alpha, beta=beta, gamma=gamma * 3.0 / 0.07, tau=3.0)
    config.learning_rate.update(peak=0.125, scaling="linear", reference_batch=128)
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    config.schedule.update(per="epoch_end", spans="all_epochs", final_fraction=1e-3)
    return config
