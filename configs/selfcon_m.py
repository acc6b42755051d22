"""SelfCon-M: SupCon on the backbone plus alpha times the sub-networks' anchors (Bae et al. 2021, Eq. 2).

    python -m contrastive_jax.main --config=configs/selfcon_m.py:cifar100,resnet18 --workdir=runs/selfcon_m
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:selfcon_paper \
        --config.pretrained=runs/selfcon_m

Argument: dataset,network (default cifar100,resnet18).

Two views. Recipe: that of `selfcon_s.py` (App. B). Expected linear accuracy of the backbone, Tables 1
and 2:

    resnet18    CIFAR-10 95.06 +- 0.04    CIFAR-100 74.31 +- 0.12    Tiny-ImageNet 58.66 +- 0.54
    resnet50    CIFAR-10 95.72 +- 0.21    CIFAR-100 78.09 +- 0.05    Tiny-ImageNet 63.12 +- 0.11
    wrn_16_8    CIFAR-10 94.82 +- 0.01    CIFAR-100 76.57 +- 0.31    Tiny-ImageNet 60.27 +- 0.18
    vgg16_bn    CIFAR-10 93.69 +- 0.07    CIFAR-100 71.81 +- 0.21    Tiny-ImageNet 58.99 +- 0.67

With `alpha > 0` the released code computes this loss, times tau / 0.07; with alpha = 0 it computes another one, which
is `selfcon_m_joint.py`.
"""

from contrastive_jax.config.presets import pretraining, refuse_imagenet
from contrastive_jax.recipes import augmentations, selfcon


def get_config(argument="cifar100,resnet18"):
    refuse_imagenet(argument)
    config = pretraining("selfcon_m", argument, optimizer="sgd", schedule="cosine")
    config.network.update(subnetworks=selfcon.exits(config.network.name), subnetwork="small")
    config.method.update(tau=0.1, loss_scale=0.1 / 0.07)  # the authors' code scales the loss by tau / 0.07
    config.method.update(alpha=1.0)
    config.head.update(dim=128, depth=2)
    config.augment.update(augmentations.selfcon())
    config.update(epochs=1000.0, batch_size=256)
    config.learning_rate.update(peak=0.0625, scaling="linear", reference_batch=128)
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    config.schedule.update(per="epoch_end", spans="all_epochs", final_fraction=1e-3)
    return config
