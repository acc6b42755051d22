"""SupCon with a momentum encoder and a labelled queue (Khosla et al. 2020, Sec. 4.1, after MoCo).

    python -m contrastive_jax.main --config=configs/supcon_queue.py:cifar10,resnet50 --workdir=runs/queue
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:supcontrast --config.pretrained=runs/queue

From the paper: memory of 8192, batch 256, SGD, eight V100, ImageNet resnet50: top-1 79.1, against 78.7 at batch
6144 without a memory. It says no more; the momentum of 0.999 is MoCo's, and the rest is the CIFAR recipe of
`supcon.py` with its rate scaled linearly to the batch. The paper has no number for CIFAR.

A run of a few hundred steps wants a `method.teacher_momentum` of 0.99: the teacher is near its start for a
thousand steps of 0.999.
"""

from contrastive_jax.recipes import supcon


def get_config(argument="cifar10,resnet50"):
    return supcon.with_memory("supcon_queue", argument, tau=0.1, queue_size=8192, teacher_momentum=0.999)
