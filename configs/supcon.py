"""SupCon: two views; the positives are all images of the anchor's class (Khosla et al. 2020, Eq. 2, L_out).

    python -m contrastive_jax.main --config=configs/supcon.py:cifar10,resnet50 --workdir=runs/supcon
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:supcontrast --config.pretrained=runs/supcon

Argument: dataset,network (default cifar10,resnet50).

Recipe: the authors' PyTorch code for CIFAR with the commands of its README, which gave the paper's CIFAR numbers (the
defaults of its argument parser differ). Expected linear accuracy, Table 2, one run:

    resnet50    CIFAR-10 96.0    CIFAR-100 76.5

SelfCon's Table 1 reruns SupCon at batch 256 with SelfCon's schedule (`--config.batch_size=256
--config.learning_rate.peak=0.125 --config.schedule.warmup_epochs=0.0`): resnet18 CIFAR-10 94.73 +- 0.05, CIFAR-100
73.58 +- 0.02. ImageNet has a config of its own, `supcon_imagenet.py`.
"""

from contrastive_jax.config.presets import pretraining, refuse_imagenet
from contrastive_jax.recipes import augmentations


def get_config(argument="cifar10,resnet50"):
    refuse_imagenet(argument, instead="supcon_imagenet.py")
    config = pretraining("supcon", argument, optimizer="sgd", schedule="cosine")
    config.method.update(tau=0.1, loss_scale=0.1 / 0.07)  # the authors' code scales the loss by tau / 0.07
    config.method.update(positives_cap=-1)
    config.head.update(dim=128, depth=2)
    config.augment.update(augmentations.supcon_cifar())
    config.update(epochs=1000.0, batch_size=1024)
    config.learning_rate.update(peak=0.5, scaling="none")
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    config.schedule.update(warmup_epochs=10.0, warmup_from=0.01)
    config.schedule.update(per="epoch_end", spans="all_epochs", final_fraction=1e-3)
    return config
