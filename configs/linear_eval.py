"""Linear evaluation of a pretraining run. The config's argument picks the protocol.

    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:selfcon_paper --config.pretrained=runs/a

    default            SupContrast's, with the learning rate chosen on a held-out tenth of the training set
    supcontrast        CIFAR: rate 5, times 0.2 after epochs 60, 75 and 90 (SupContrast's main_linear.py)
    simclr             the same at rate 1, with which SupContrast evaluates SimCLR
    selfcon_paper      rate 5, weight decay 1e-4, times 0.1 after epochs 60 and 80 (SelfCon, App. B, which names no
                       milestones: they are the script's)
    selfcon            rate 3 without weight decay, else the same (SelfCon's scripts, of a later version of the paper)
    selfcon_imagenet   rate 5, 40 epochs, times 0.1 after epochs 20 and 30 (SelfCon's script for ImageNet)
    moco               rate 30, batch 256, times 0.1 after epochs 60 and 80 (MoCo's and MCL's main_lincls.py)
    moco_v3            ViT: rate 3 at batch 256, batch 1024, 90 epochs, cosine (MoCo v3's main_lincls.py)
    moco_v3_resnet     the same at rate 0.1
    sdssl              moco_v3 on the teacher, as SDSSL judges BYOL and MoCo v3; its SimCLR has no teacher: moco_v3
    simclr_tensorflow  CIFAR: rate 0.1 at batch 256, batch 512, cosine, Nesterov (SimCLR's README)
    simclr_imagenet    the same with batch 4096, 90 epochs and weight decay 1e-6
    byol               rate 0.2 at batch 256, batch 1024, 80 epochs, cosine, Nesterov (BYOL's configs/eval.py; the paper
                       chooses among 0.05, 0.1, 0.2, 0.3 and 0.4 on held-out images)
    supcon_imagenet    normalised features, TensorFlow's RMSProp, batch 6144 (google-research, supcon/scripts, which
                       augment as in the pretraining; here are crops and flips)
    dino               rate 0.001 at batch 256, batch 1024, cosine (DINO's eval_linear.py on eight GPUs; it joins the
                       last four layers of a small ViT, here is a classifier per exit)
    quick              20 epochs on features without augmentation: half a minute on a CPU for a small set
    own                nothing is trained: the classifiers that the run trained itself, of every exit or network

The headline is the accuracy after the last epoch. The papers' codes report the best test epoch, which the summary keeps
as `best_test_epoch`.
"""

from contrastive_jax.config.presets import evaluation
from contrastive_jax.errors import InputError, nearest

SGD = {"name": "sgd", "momentum": 0.9, "nesterov": False, "weight_decay": 0.0}
SUPCONTRAST = {"name": "step", "milestones": (60, 75, 90), "decay": 0.2}
SELFCON = {"name": "step", "milestones": (60, 80), "decay": 0.1}
SIMCLR = SGD | {"nesterov": True}
PER_EPOCH = {"name": "cosine", "per": "epoch"}
SMALL, LARGE = {"crop_scale": (0.2, 1.0)}, {"crop_scale": (0.08, 1.0)}
"""Crops of the CIFAR codes, and those of torchvision's default."""
VIT = dict(learning_rates=(3.0,), lr_scaling="linear", batch_size=1024, epochs=90, init="normal") | LARGE
ZEROS = dict(learning_rates=(0.1,), lr_scaling="linear", init="zeros") | LARGE
GLOROT = dict(init="glorot", normalize=True, label_smoothing=0.05) | LARGE

PROTOCOLS = {
    "default": {},
    "supcontrast": {"protocol": {"learning_rates": (5.0,)} | SMALL},
    "simclr": {"protocol": {"learning_rates": (1.0,)} | SMALL},
    "selfcon_paper": {
        "protocol": {"learning_rates": (5.0,)} | SMALL,
        "schedule": SELFCON,
        "optimizer": SGD | {"weight_decay": 1e-4},
    },
    "selfcon": {"protocol": {"learning_rates": (3.0,)} | SMALL, "schedule": SELFCON},
    "selfcon_imagenet": {
        "protocol": {"learning_rates": (5.0,), "epochs": 40} | SMALL,
        "schedule": SELFCON | {"milestones": (20, 30)},
    },
    "moco": {
        "protocol": dict(learning_rates=(30.0,), batch_size=256, init="normal") | LARGE,
        "schedule": SELFCON,
    },
    "moco_v3": {"protocol": VIT, "schedule": PER_EPOCH},
    "moco_v3_resnet": {"protocol": VIT | {"learning_rates": (0.1,)}, "schedule": PER_EPOCH},
    "sdssl": {"protocol": VIT, "schedule": PER_EPOCH, "judged": "teacher"},
    "simclr_tensorflow": {"protocol": ZEROS, "schedule": {"name": "cosine"}, "optimizer": SIMCLR},
    "simclr_imagenet": {
        "protocol": ZEROS | {"batch_size": 4096, "epochs": 90},
        "schedule": {"name": "cosine"},
        "optimizer": SIMCLR | {"weight_decay": 1e-6},
    },
    "byol": {
        "protocol": dict(learning_rates=(0.2,), lr_scaling="linear", batch_size=1024, epochs=80) | LARGE,
        "schedule": {"name": "cosine"},
        "optimizer": SIMCLR,
    },
    "supcon_imagenet": {
        "protocol": dict(learning_rates=(0.05,), lr_scaling="linear", batch_size=6144, epochs=90) | GLOROT,
        "schedule": {"name": "exponential", "decay": 0.97, "epochs_per_decay": 0.5, "warmup_epochs": 12.0},
        "optimizer": {"name": "rmsprop", "rate": 0.9, "momentum": 0.9, "eps": 0.001, "weight_decay": 1e-6},
    },
    "dino": {
        "protocol": VIT | {"learning_rates": (0.001,), "epochs": 100},
        "schedule": PER_EPOCH,
    },
    "quick": {
        "protocol": {"epochs": 20, "augment": "none", "batch_size": 256},
        "schedule": SUPCONTRAST | {"milestones": (12, 15, 18)},
    },
    "own": {"linear": False, "knn": (), "folder": "own_classifier"},
}


def get_config(argument="default"):
    if argument not in PROTOCOLS:
        raise InputError(f"no linear protocol '{argument}': {nearest(argument, PROTOCOLS)}")
    chosen = {"optimizer": SGD, "schedule": SUPCONTRAST} | PROTOCOLS[argument]
    config = evaluation(optimizer=chosen["optimizer"]["name"], schedule=chosen["schedule"]["name"])
    config.protocol.update(learning_rates=(0.1, 0.3, 1.0, 3.0, 5.0, 10.0), holdout=0.1, augment="crop_flip")
    config.protocol.update(epochs=100, batch_size=512)
    config.update(chosen)
    return config
