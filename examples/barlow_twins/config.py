"""Barlow Twins (Zbontar et al. 2021) on 10,000 embedded images: a method from outside the package.

    python -m contrastive_jax.main --config=examples/barlow_twins/config.py --workdir=runs/barlow_twins
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:quick --config.pretrained=runs/barlow_twins

The import path of the class is the method's name, and `--config.method.lam=0.01` sets its field. Network, augmentation,
batch and schedule are those of `configs/quickstart.py`, with two views and a wider head: the loss needs many dimensions
to decorrelate. The paper trains on ImageNet: resnet50, 1000 epochs, batch 2048, LARS, a head of three layers with 8192
dimensions.
"""

from contrastive_jax.config.presets import pretraining
from contrastive_jax.recipes import augmentations


def get_config(argument="fashion_mnist,resnet8"):
    name = "examples.barlow_twins.barlow_twins:BarlowTwins"
    config = pretraining(name, argument, optimizer="sgd", schedule="cosine")
    config.network.update(stem="patch2", width=24)
    config.method.update(lam=0.0051, loss_scale=0.024)
    config.head.update(dim=256, depth=2, hidden=256, hidden_norm=True)
    config.augment.update(augmentations.crop_flip((0.5, 1.0)))
    config.update(epochs=16.0, batch_size=64)
    config.learning_rate.update(peak=0.2, scaling="none")
    config.optimizer.update(momentum=0.9, nesterov=True, weight_decay=5e-4, decay="all")
    config.schedule.update(warmup_epochs=1.0)
    config.log.update(every_steps=100)
    config.checkpoint.update(every_epochs=4.0)
    return config
