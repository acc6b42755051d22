"""Linear evaluation of a pretraining run. The config's argument picks the protocol.

    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:selfcon --config.pretrained=runs/a

    default          SupContrast's, with the learning rate chosen on a held-out tenth of the training set
    supcontrast      CIFAR: rate 5, times 0.2 after epochs 60, 75 and 90 (SupContrast's main_linear.py)
    simclr           the same at rate 1, with which SupContrast evaluates SimCLR
    selfcon          rate 3, times 0.1 after epochs 60 and 80 (SelfCon's main_linear.py)
    selfcon_paper    rate 5 and weight decay 1e-4 (SelfCon, App. B, which names no milestones: those above)
    quick            20 epochs on features without augmentation: half a minute on a CPU for a small set
    own              nothing is trained: the classifiers that the run trained itself, of every exit or network

The headline is the accuracy after the last epoch. The papers' codes report the best test epoch, which the summary keeps
as `best_test_epoch`.
"""

from contrastive_jax.config.presets import evaluation
from contrastive_jax.errors import InputError, nearest

PROTOCOLS = {
    "default": {"protocol": {}},
    "supcontrast": {"protocol": {"learning_rates": (5.0,)}},
    "simclr": {"protocol": {"learning_rates": (1.0,)}},
    "selfcon": {
        "protocol": {"learning_rates": (3.0,)},
        "schedule": {"milestones": (60, 80), "decay": 0.1},
    },
    "selfcon_paper": {
        "protocol": {"learning_rates": (5.0,)},
        "schedule": {"milestones": (60, 80), "decay": 0.1},
        "optimizer": {"weight_decay": 1e-4},
    },
    "quick": {
        "protocol": {"epochs": 20, "augment": "none", "batch_size": 256},
        "schedule": {"milestones": (12, 15, 18)},
    },
    "own": {"linear": False, "knn": (), "folder": "own_classifier"},
}


def get_config(argument="default"):
    if argument not in PROTOCOLS:
        raise InputError(f"no linear protocol '{argument}': {nearest(argument, PROTOCOLS)}")
    config = evaluation(optimizer="sgd", schedule="step")
    config.protocol.update(learning_rates=(0.1, 0.3, 1.0, 3.0, 5.0, 10.0), holdout=0.1, augment="crop_flip")
    config.protocol.update(epochs=100, batch_size=512)
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=0.0)
    config.schedule.update(milestones=(60, 75, 90), decay=0.2)
    config.update(PROTOCOLS[argument])
    return config
