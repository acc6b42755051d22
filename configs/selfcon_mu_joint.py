"""What SelfCon's released code calls SelfCon-MU at alpha = 0: each view is an instance of its own.

    python -m contrastive_jax.main --config=configs/selfcon_mu_joint.py:cifar100,resnet18 --workdir=runs/mu_joint
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:selfcon --config.pretrained=runs/mu_joint

Argument: dataset,network (default cifar100,resnet18).

This is not the paper's Eq. 6 (`selfcon_mu.py`): the other view of an image is a negative here. No number is published
for it. Recipe: that of `selfcon_s.py` with tau 0.5.
"""

from contrastive_jax.config.presets import pretraining, refuse_imagenet
from contrastive_jax.recipes import augmentations, selfcon


def get_config(argument="cifar100,resnet18"):
    refuse_imagenet(argument)
    config = pretraining("selfcon_mu_joint", argument, optimizer="sgd", schedule="cosine")
    config.network.update(subnetworks=selfcon.exits(config.network.name), subnetwork="small")
    config.method.update(tau=0.5, loss_scale=0.5 / 0.07)  # the authors' code scales the loss by tau / 0.07
    config.head.update(dim=128, depth=2)
    config.augment.update(augmentations.selfcon())
    config.update(epochs=1000.0, batch_size=256)
    config.learning_rate.update(peak=0.0625, scaling="linear", reference_batch=128)
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    config.schedule.update(per="epoch_end", spans="all_epochs", final_fraction=1e-3)
    return config
