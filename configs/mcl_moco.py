"""MCL on MoCo: networks that learn together without labels (Yang et al. 2022, Fig. 2).

    python -m contrastive_jax.main --config=configs/mcl_moco.py:imagenet,resnet18 --workdir=runs/mcl_moco
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:moco --config.pretrained=runs/mcl_moco

Argument: dataset,network (default imagenet,resnet18).

Recipe: MoCo's (`moco_v1.py`); the four terms weigh 1. As there, BatchNorm sees the 32 images of one of eight GPUs and
the keys are shuffled over them. The authors used eight RTX 3090. MoCo v2 (`moco.py`) is `--config.head.depth=2
--config.method.tau=0.2 --config.schedule.name=cosine --config.schedule.per=epoch --config.augment.recipe=moco_v2`.
Expected linear top-1 on ImageNet, mean of three runs, Table 5:

                MoCo             MCL(x2)          MoCo v2          MCL(x2)
    resnet18    47.45 +- 0.11    48.04 +- 0.13    52.30 +- 0.09    52.76 +- 0.06
"""

from contrastive_jax.config.presets import pretraining
from contrastive_jax.recipes import augmentations


def get_config(argument="imagenet,resnet18"):
    config = pretraining("mcl_moco", argument, optimizer="sgd", schedule="step")
    config.network.update(norm_group=32)
    config.method.update(networks=2, shared="", tau=0.07, soft=3.0)
    config.method.update(vcl=1.0, soft_vcl=1.0, icl=1.0, soft_icl=1.0)
    config.method.update(queue_size=65536, teacher_momentum=0.999)
    config.head.update(dim=128, depth=1)
    config.augment.update(augmentations.moco_v1())
    config.update(epochs=200.0, batch_size=256)
    config.learning_rate.update(peak=0.03, scaling="none")
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    config.schedule.update(milestones=(120, 160), decay=0.1)
    return config
