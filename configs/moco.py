"""MoCo: queries against a slow teacher's keys and a queue of older keys (He et al. 2020; v2: Chen et al. 2020).

    python -m contrastive_jax.main --config=configs/moco.py:imagenet,resnet50 --workdir=runs/moco_v2
    python -m contrastive_jax.main --config=configs/moco.py:imagenet,resnet50,v1 --workdir=runs/moco_v1
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py --config.pretrained=runs/moco_v2

Recipe: the authors' code: 200 epochs, batch 256, SGD 0.03, weight decay 1e-4 on everything, queue of 65536,
momentum 0.999, 128 dimensions. v2: cosine per epoch, tau 0.2, head with a hidden layer, SimCLR's jitter and
blur. v1: steps at 120 and 160, tau 0.07, linear head, jitter 0.4 on every image and no blur. Their BatchNorm
sees the 32 images of one of eight GPUs and the keys are shuffled over them: `network.norm_group` and the method
do the same on any number of devices; a BatchNorm over the whole batch would tell the key of the batch from
those of the queue. Hardware there: eight V100 for 53 hours. Expected ImageNet linear accuracy, resnet50, mean
of five: v1 60.8 +- 0.2, v2 67.5 +- 0.1.

For CIFAR a queue of 65536 is longer than the set: `--config.method.queue_size=4096`. The comparisons of
*Intriguing Properties* with a memory use it beside `intriguing_nt_xent.py`.
"""

from contrastive_jax.config.presets import pretraining
from contrastive_jax.recipes import augment_as, third_word
from contrastive_jax.recipes import augmentations as recipes


def get_config(argument="imagenet,resnet50"):
    argument, version = third_word(argument, "v2", "v1")
    v1 = version == "v1"
    config = pretraining("moco", argument, schedule="step" if v1 else "cosine")
    config.epochs = 200.0
    config.batch_size = 256
    augment_as(config, recipes.moco_v2() if argument.startswith("imagenet") else recipes.simclr_cifar())
    config.network.norm_group = 32
    config.head.update(dim=128, depth=1 if v1 else 2)
    config.method.update(tau=0.07 if v1 else 0.2, queue_size=65536, teacher_momentum=0.999)
    config.learning_rate.update(peak=0.03, scaling="linear", reference_batch=256)
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    if v1:
        config.augment.update(jitter_probability=1.0, hue=0.4, blur_probability=(0.0,))
        config.schedule.update(milestones=(120, 160), decay=0.1)
    else:
        config.schedule.update(per="epoch")
    return config
