"""SelfCon-MU: SimCLR on the backbone plus alpha times the sub-networks' anchors (Bae et al. 2021, Eq. 6).

    python -m contrastive_jax.main --config=configs/selfcon_mu.py:cifar100,resnet18 --workdir=runs/selfcon_mu
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:selfcon_paper \
        --config.pretrained=runs/selfcon_mu

Argument: dataset,network (default cifar100,resnet18).

Two views, no labels. Recipe: that of `selfcon_s.py` with tau 0.5 (App. G). Expected linear accuracy of the backbone,
Table 11, whose two network names are swapped in the paper (Table 12 shows it):

    resnet18    CIFAR-10 91.86 +- 0.22    CIFAR-100 64.67 +- 0.61    Tiny-ImageNet 43.08 +- 0.15
    resnet50    CIFAR-10 94.02 +- 0.15    CIFAR-100 70.83 +- 0.30    Tiny-ImageNet 44.18 +- 0.99
"""

from contrastive_jax.config.presets import pretraining, refuse_imagenet
from contrastive_jax.recipes import augmentations, selfcon


def get_config(argument="cifar100,resnet18"):
    refuse_imagenet(argument)
    config = pretraining("selfcon_mu", argument, optimizer="sgd", schedule="cosine")
    config.network.update(subnetworks=selfcon.exits(config.network.name), subnetwork="small")
    config.method.update(tau=0.5, loss_scale=0.5 / 0.07)  # the authors' code scales the loss by tau / 0.07
    config.method.update(alpha=1.0)
    config.head.update(dim=128, depth=2)
    config.augment.update(augmentations.selfcon())
    config.update(epochs=1000.0, batch_size=256)
    config.learning_rate.update(peak=0.0625, scaling="linear", reference_batch=128)
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    config.schedule.update(per="epoch_end", spans="all_epochs", final_fraction=1e-3)
    return config
