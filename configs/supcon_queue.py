"""SupCon with a momentum encoder and a labelled queue (Khosla et al. 2020, Sec. 4.1, after MoCo).

    python -m contrastive_jax.main --config=configs/supcon_queue.py:cifar10,resnet50 --workdir=runs/queue
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:supcontrast --config.pretrained=runs/queue

Argument: dataset,network (default cifar10,resnet50).

The paper reports ImageNet, resnet50, with a memory of 8192, batch 256 and SGD on eight V100: top-1 79.1, against 78.7
at batch 6144 without a memory (`supcon_imagenet.py`). It says no more, and the authors' code has no memory, so the rest
is put together here:

    imagenet     head, AutoAugment and 350 epochs of `supcon_imagenet.py`; momentum 0.999, rate and decay of `moco.py`;
                 judged with `linear_eval.py:supcon_imagenet`
    otherwise    `supcon.py`, with the learning rate scaled linearly to the batch, and the momentum; no published number

In a run of a few hundred steps set `--config.method.teacher_momentum=0.99`: at 0.999 the teacher stays close to its
initial weights for a thousand steps.
"""

from contrastive_jax.config.presets import pretraining
from contrastive_jax.recipes import augmentations


def get_config(argument="cifar10,resnet50"):
    config = pretraining("supcon_queue", argument, optimizer="sgd", schedule="cosine")
    config.method.update(tau=0.1, queue_size=8192, teacher_momentum=0.999)
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    if argument.startswith("imagenet"):
        config.method.update(loss_scale=1.0)
        config.head.update(dim=128, depth=1, output_bias=False, kernel="normal")
        config.augment.update(augmentations.supcon_imagenet())
        config.update(epochs=350.0, batch_size=256)
        config.learning_rate.update(peak=0.03, scaling="linear", reference_batch=256)
        config.schedule.update(per="epoch")
    else:
        config.method.update(loss_scale=0.1 / 0.07)  # the authors' code scales the loss by tau / 0.07
        config.head.update(dim=128, depth=2)
        config.augment.update(augmentations.supcon_cifar())
        config.update(epochs=1000.0, batch_size=256)
        config.learning_rate.update(peak=0.5, scaling="linear", reference_batch=1024)
        config.schedule.update(warmup_epochs=10.0, warmup_from=0.01)
        config.schedule.update(per="epoch_end", spans="all_epochs", final_fraction=1e-3)
    return config
