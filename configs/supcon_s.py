"""SupCon-S: SupCon on a single view, SelfCon's control experiment (Bae et al. 2021, Sec. 4.1).

    python -m contrastive_jax.main --config=configs/supcon_s.py:cifar100,resnet18 --workdir=runs/supcon_s
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:selfcon_paper \
        --config.pretrained=runs/supcon_s

Argument: dataset,network (default cifar100,resnet18).

Recipe: that of `selfcon_s.py` without the sub-network. Expected linear accuracy, Tables 1 and 2:

    resnet18    CIFAR-10 94.87 +- 0.05    CIFAR-100 74.15 +- 0.02    Tiny-ImageNet 54.59 +- 0.17
    resnet50    CIFAR-10 95.66 +- 0.06    CIFAR-100 76.79 +- 0.18    Tiny-ImageNet 57.17 +- 2.37
    wrn_16_8    CIFAR-10 95.28 +- 0.02    CIFAR-100 74.22 +- 0.41    Tiny-ImageNet 54.32 +- 0.26
    vgg16_bn    CIFAR-10 93.53 +- 0.20    CIFAR-100 24.62 +- 1.38    Tiny-ImageNet 47.01 +- 0.20
"""

from contrastive_jax.config.presets import pretraining, refuse_imagenet
from contrastive_jax.recipes import augmentations


def get_config(argument="cifar100,resnet18"):
    refuse_imagenet(argument)
    config = pretraining("supcon_s", argument, optimizer="sgd", schedule="cosine")
    config.method.update(tau=0.1, loss_scale=0.1 / 0.07)  # the authors' code scales the loss by tau / 0.07
    config.head.update(dim=128, depth=2)
    config.augment.update(augmentations.selfcon())
    config.update(epochs=1000.0, batch_size=256)
    config.learning_rate.update(peak=0.0625, scaling="linear", reference_batch=128)
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    config.schedule.update(per="epoch_end", spans="all_epochs", final_fraction=1e-3)
    return config
