"""Chen, Luo & Li 2021, *Intriguing Properties of Contrastive Losses*: App. A.1 and SimCLR's TensorFlow code, which
it follows.
"""

from typing import Any

from ml_collections import ConfigDict

from contrastive_jax.config.presets import pretraining
from contrastive_jax.recipes import augment_as
from contrastive_jax.recipes import augmentations as recipes

HEAD = dict(
    depth=2, hidden_norm=True, output_norm="scale", hidden_bias=False, output_bias=False, kernel="normal"
)


def simclr_tensorflow(method: str, argument: str, **fields: Any) -> ConfigDict:
    """800 epochs of LARS at a rate per square root of the batch, for CIFAR-10 or ImageNet; `fields` are the
    method's.
    """
    imagenet = argument.startswith("imagenet")
    config = pretraining(method, argument, optimizer="lars")
    augment_as(config, recipes.simclr_imagenet() if imagenet else recipes.simclr_cifar_tensorflow())
    if "residual_scale" in config.to_dict()["network"]:  # a ResNet
        config.update(network=dict(residual_scale=0.0))
    config.update(
        epochs=800.0,
        batch_size=1024 if imagenet else 128,
        head=HEAD | dict(dim=128 if imagenet else 64),
        method=fields,
        learning_rate=dict(peak=0.075 if imagenet else 0.2, scaling="sqrt", reference_batch=1),
        optimizer=dict(momentum=0.9, weight_decay=1e-6, decay="kernels"),
        schedule=dict(warmup_epochs=10.0),
    )
    return config
