"""MCL on MoCo, or on MoCo v2: networks that learn together without labels (Yang et al. 2022, Fig. 2).

    python -m contrastive_jax.main --config=configs/mcl_moco.py:imagenet,resnet18 --workdir=runs/mcl_moco
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:mocov3 --config.pretrained=runs/mcl_moco

Recipe: MoCo's: 200 epochs, batch 256, learning rate 0.03 divided by 10 at epochs 120 and 160, SGD 0.9, weight decay
1e-4, queue of 65,536, momentum 0.999, tau 0.07; all four terms weigh 1. MoCo v2 is `--config.head.depth=2
--config.method.tau=0.2 --config.schedule.name=cosine` and a blur. Expected linear top-1 on ImageNet, Table 5:

                MoCo             MCL(x2)          MoCo v2          MCL(x2)
    resnet18    47.45 +- 0.11    48.04 +- 0.13    52.30 +- 0.09    52.76 +- 0.06
"""

from contrastive_jax.config.presets import pretraining


def get_config(argument="imagenet,resnet18"):
    config = pretraining("mcl_moco", argument, schedule="step")
    config.epochs = 200.0
    config.batch_size = 256
    config.head.update(dim=128, depth=1)
    config.augment.update(crop_scale=(0.2, 1.0), hue=0.4, jitter_probability=1.0)
    config.learning_rate.peak = 0.03
    config.optimizer.update(momentum=0.9, weight_decay=1e-4, decay="all")
    config.schedule.update(milestones=(120, 160), decay=0.1)
    return config
