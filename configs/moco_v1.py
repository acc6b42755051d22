"""MoCo v1: a linear head, no blur, and a learning rate that falls in steps (He et al. 2020).

    python -m contrastive_jax.main --config=configs/moco_v1.py:imagenet,resnet50 --workdir=runs/moco_v1
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:moco --config.pretrained=runs/moco_v1

Argument: dataset,network (default imagenet,resnet50).

Recipe: the authors' code, as in `moco.py` (MoCo v2), which explains `norm_group`. The authors used eight V100 for 53
hours. Expected ImageNet linear accuracy, resnet50, mean of five runs: 60.8 +- 0.2.

On CIFAR a queue of 65536 is longer than the training set: set `--config.method.queue_size=4096`.
"""

from contrastive_jax.config.presets import pretraining
from contrastive_jax.recipes import augmentations


def get_config(argument="imagenet,resnet50"):
    config = pretraining("moco", argument, optimizer="sgd", schedule="step")
    config.network.update(norm_group=32)
    config.method.update(tau=0.07, queue_size=65536, teacher_momentum=0.999)
    config.head.update(dim=128, depth=1)
    config.augment.update(augmentations.moco_v1())
    config.update(epochs=200.0, batch_size=256)
    config.learning_rate.update(peak=0.03, scaling="linear", reference_batch=256)
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    config.schedule.update(milestones=(120, 160), decay=0.1)
    return config
