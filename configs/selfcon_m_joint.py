"""What SelfCon's released code calls SelfCon-M at alpha = 0: all exits of both views in one SupCon.

    python -m contrastive_jax.main --config=configs/selfcon_m_joint.py:cifar100,resnet18 --workdir=runs/m_joint
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:selfcon --config.pretrained=runs/m_joint

Argument: dataset,network (default cifar100,resnet18).

This is not the paper's Eq. 2 (`selfcon_m.py`), and no number is published for it. Recipe: that of `selfcon_s.py`.
"""

from contrastive_jax.config.presets import pretraining, refuse_imagenet
from contrastive_jax.recipes import augmentations, selfcon


def get_config(argument="cifar100,resnet18"):
    refuse_imagenet(argument)
    config = pretraining("selfcon_m_joint", argument, optimizer="sgd", schedule="cosine")
    config.network.update(subnetworks=selfcon.exits(config.network.name), subnetwork="small")
    config.method.update(tau=0.1, loss_scale=0.1 / 0.07)  # the authors' code scales the loss by tau / 0.07
    config.head.update(dim=128, depth=2)
    config.augment.update(augmentations.selfcon())
    config.update(epochs=1000.0, batch_size=256)
    config.learning_rate.update(peak=0.0625, scaling="linear", reference_batch=128)
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    config.schedule.update(per="epoch_end", spans="all_epochs", final_fraction=1e-3)
    return config
