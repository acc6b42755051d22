"""SimCLR: two views, no labels, NT-Xent (Chen et al. 2020), as SupCon's authors ran it beside SupCon.

    python -m contrastive_jax.main --config=configs/simclr.py:cifar10,resnet50 --workdir=runs/simclr
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:simclr --config.pretrained=runs/simclr

Argument: dataset,network (default cifar10,resnet50).

Recipe: SupCon's PyTorch code for CIFAR, which is `supcon.py` with tau 0.5. The learning rate was tuned with that code's
factor tau / 0.07 = 7.14 on the loss, so `loss_scale` keeps it. Expected linear accuracy, SupCon's Table 2, one run:

    resnet50    CIFAR-10 93.6    CIFAR-100 70.7

ImageNet has a config of its own, `simclr_imagenet.py`.
"""

from contrastive_jax.config.presets import pretraining, refuse_imagenet
from contrastive_jax.recipes import augmentations


def get_config(argument="cifar10,resnet50"):
    refuse_imagenet(argument, instead="simclr_imagenet.py")
    config = pretraining("simclr", argument, optimizer="sgd", schedule="cosine")
    config.method.update(tau=0.5, loss_scale=0.5 / 0.07)  # the authors' code scales the loss by tau / 0.07
    config.head.update(dim=128, depth=2)
    config.augment.update(augmentations.supcon_cifar())
    config.update(epochs=1000.0, batch_size=1024)
    config.learning_rate.update(peak=0.5, scaling="none")
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    config.schedule.update(warmup_epochs=10.0, warmup_from=0.01)
    config.schedule.update(per="epoch_end", spans="all_epochs", final_fraction=1e-3)
    return config
