"""SupCon with a momentum encoder and a labelled queue (Khosla et al. 2020, Sec. 4.1, after MoCo).

    python -m contrastive_jax.main --config=configs/supcon_queue.py:cifar10,resnet50 --workdir=runs/queue
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:supcontrast --config.pretrained=runs/queue

From the paper: memory of 8192, batch 256, SGD, eight V100, ImageNet resnet50: top-1 79.1, against 78.7 at batch
6144 without a memory. It says no more; the momentum of 0.999 is MoCo's, and the rest is the CIFAR recipe of
`supcon.py` with its rate scaled linearly to the batch. The paper has no number for CIFAR.

A run of a few hundred steps wants a `method.teacher_momentum` of 0.99: the teacher is near its start for a
thousand steps of 0.999.
"""

from contrastive_jax.configuration import pretraining


def get_config(argument="cifar10,resnet50"):
    config = pretraining("supcon_queue", argument)
    config.epochs = 1000.0
    config.batch_size = 256
    config.method.tau = 0.1
    config.method.loss_scale = 0.1 / 0.07
    config.method.queue_size = 8192
    config.method.teacher_momentum = 0.999
    config.learning_rate.update(peak=0.5, scaling="linear", reference_batch=1024)
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    config.schedule.update(
        warmup_epochs=10.0, warmup_from=0.01, per="epoch_end", spans="all_epochs", final_fraction=1e-3
    )
    return config
