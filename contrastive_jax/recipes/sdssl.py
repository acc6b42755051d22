"""Jang et al. 2023, *Self-Distilled Self-Supervised Representation Learning*: Sec. 4.1 and the authors' JSON files.

300 epochs of AdamW with 40 warm-up epochs and MoCo v3's two augmentations. ViT-S/32 has a batch and an alpha of its
own; all other networks get ViT-B/16's.
"""

from typing import Any

from ml_collections import ConfigDict

from contrastive_jax.config.presets import pretraining
from contrastive_jax.recipes import augment_as, third_word
from contrastive_jax.recipes import augmentations as recipes

SMALL = "vit_small_32"
HEAD = dict(
    dim=256, depth=3, hidden=4096, hidden_norm=True, output_norm="plain", hidden_bias=False, output_bias=False
)


def baseline(method: str, argument: str, **fields: Any) -> ConfigDict:
    """A method without self-distillation, judged at its last layer; `fields` are the method's."""
    config = pretraining(method, argument, optimizer="adamw")
    augment_as(config, recipes.sdssl())
    config.update(
        epochs=300.0,
        batch_size=4096 if SMALL in argument.split(",") else 1024,
        head=HEAD,
        method=fields,
        learning_rate=dict(peak=1.5e-4, scaling="linear", reference_batch=256),
        optimizer=dict(weight_decay=0.1, decay="kernels"),
        schedule=dict(warmup_epochs=40.0, warmup_endpoint=True),
    )
    if not is_vit(config):
        config.update(network=dict(subnetwork="fc"))
    return config


def self_distilled(method: str, argument: str, **fields: Any) -> ConfigDict:
    """A method whose every layer has an exit that learns from the last one, with a weight alpha that grows."""
    alpha = 0.6 if SMALL in argument.split(",") else 0.8
    config = baseline(method, argument, alpha=alpha, alpha_schedule="cosine", layer_hidden=2048, **fields)
    add_exits(config)
    return config


def with_teacher(method: str, plain: str, argument: str, **fields: Any) -> ConfigDict:
    """A method that predicts a slow teacher, or with the third word `baseline` its `plain` form."""
    fields |= dict(teacher_momentum=0.996, predictor_depth=2, predictor_hidden=4096)
    argument, row = third_word(argument, "distilled", "baseline")
    if row == "distilled":
        return self_distilled(method, argument, beta=1.0, **fields)
    config = baseline(plain, argument, **fields)
    if is_vit(config):  # a ViT's exits cost nothing: the baseline has them too, to be judged layer by layer
        add_exits(config)
    return config


def add_exits(config: ConfigDict) -> None:
    """After every layer of a ViT of 12, or every block of a ResNet, but the last."""
    layers = [f"layer{i:02d}" for i in range(1, 12)] if is_vit(config) else ["block1", "block2", "block3"]
    config.update(network=dict(subnetworks=tuple(layers)))


def is_vit(config: ConfigDict) -> bool:
    return config.to_dict()["network"]["name"] == "vit"
