"""MoCo v2: queries against a slow teacher's keys and a queue of older keys (Chen et al. 2020; v1: He et al. 2020).

    python -m contrastive_jax.main --config=configs/moco.py:imagenet,resnet50 --workdir=runs/moco_v2
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:moco --config.pretrained=runs/moco_v2

Argument: dataset,network (default imagenet,resnet50).

Recipe: the authors' code. Their BatchNorm sees the 32 images of one of eight GPUs, and the keys are shuffled over the
GPUs: `network.norm_group` and the method do the same on any number of devices. A BatchNorm over the whole batch would
let the network tell the batch's own key from those of the queue. The authors used eight V100 for 53 hours. Expected
ImageNet linear accuracy, resnet50, mean of five runs: 67.5 +- 0.1. MoCo v1 is `moco_v1.py`.

On CIFAR a queue of 65536 is longer than the training set: set `--config.method.queue_size=4096`. For the *Intriguing
Properties* comparison with a memory, run it beside `intriguing_nt_xent.py`.
"""

from contrastive_jax.config.presets import pretraining
from contrastive_jax.recipes import augmentations


def get_config(argument="imagenet,resnet50"):
    config = pretraining("moco", argument, optimizer="sgd", schedule="cosine")
    config.network.update(norm_group=32)
    config.method.update(tau=0.2, queue_size=65536, teacher_momentum=0.999)
    config.head.update(dim=128, depth=2)
    if argument.startswith("imagenet"):
        config.augment.update(augmentations.moco_v2())
    else:
        config.augment.update(augmentations.simclr_cifar())  # `moco_v2` without the blur
    config.update(epochs=200.0, batch_size=256)
    config.learning_rate.update(peak=0.03, scaling="linear", reference_batch=256)
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    config.schedule.update(per="epoch")
    return config
