"""Triplets in SupCon's framework (Khosla et al. 2020, Sec. 8): one positive, one negative, no mining.

    python -m contrastive_jax.main --config=configs/supcon_triplet.py:cifar10,resnet50 --workdir=runs/triplet
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:supcontrast --config.pretrained=runs/triplet

Argument: dataset,network (default cifar10,resnet50).

Recipe: that of `supcon.py`, and for ImageNet `supcon_imagenet.py` with `--config.method.name=supcon_triplet`. To first
order this is a triplet loss with margin 2 tau. The paper derives it as a special case of SupCon and trains none, so
there is no published number.
"""

from contrastive_jax.config.presets import pretraining, refuse_imagenet
from contrastive_jax.recipes import augmentations


def get_config(argument="cifar10,resnet50"):
    refuse_imagenet(argument, instead="supcon_imagenet.py --config.method.name=supcon_triplet")
    config = pretraining("supcon_triplet", argument, optimizer="sgd", schedule="cosine")
    config.method.update(tau=0.1, loss_scale=0.1 / 0.07)  # the authors' code scales the loss by tau / 0.07
    config.head.update(dim=128, depth=2)
    config.augment.update(augmentations.supcon_cifar())
    config.update(epochs=1000.0, batch_size=1024)
    config.learning_rate.update(peak=0.5, scaling="none")
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    config.schedule.update(warmup_epochs=10.0, warmup_from=0.01)
    config.schedule.update(per="epoch_end", spans="all_epochs", final_fraction=1e-3)
    return config
