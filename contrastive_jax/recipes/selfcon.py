"""Bae et al. 2021, *Self-Contrastive Learning*: App. B, with the cosine of the authors' code.

SGD at 0.0625 per 128 images; the cosine is taken per epoch and ends at a thousandth of the peak, without a warm-up.
The augmentation is `Recipe`'s default. The code descends from SupContrast and scales its losses alike.
"""

from typing import Any

from ml_collections import ConfigDict

from contrastive_jax.config.presets import pretraining
from contrastive_jax.recipes import third_word
from contrastive_jax.recipes.supcon import temperature

EXIT = dict(subnetworks=("block2",), subnetwork="small")
"""App. C: the `small` sub-network after block 2."""


def cifar(method: str, argument: str, **fields: Any) -> ConfigDict:
    """1000 epochs of batch 256, no sub-network; `fields` are the method's."""
    config = pretraining(method, argument)
    config.update(
        epochs=1000.0,
        batch_size=256,
        method=fields,
        learning_rate=dict(peak=0.0625, scaling="linear", reference_batch=128),
        optimizer=dict(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all"),
        schedule=dict(per="epoch_end", spans="all_epochs", final_fraction=1e-3),
    )
    return config


def contrastive(method: str, argument: str, *, tau: float, **fields: Any) -> ConfigDict:
    """`cifar` for a loss with a temperature, as their code scales it."""
    return cifar(method, argument, **temperature(tau), **fields)


def between_exits(method: str, argument: str, *, tau: float, **fields: Any) -> ConfigDict:
    """`contrastive` between the exits of a network with a sub-network."""
    config = contrastive(method, argument, tau=tau, **fields)
    config.update(network=EXIT)
    return config


def one_stage(method: str, argument: str, **fields: Any) -> ConfigDict:
    """Classifiers on all exits, trained in one stage (Sec. 4.6): 500 epochs, batch 512, twice the learning rate."""
    config = cifar(method, argument, **fields)
    config.update(epochs=500.0, batch_size=512, learning_rate=dict(peak=0.125), network=EXIT)
    return config


def one_stage_matching(method: str, argument: str, *, beta: float = 1.0, **fields: Any) -> ConfigDict:
    """`one_stage` whose sub-networks match the backbone's features, or its logits where the third word says so
    (App. F). beta, the weight of the matching, is 0.5 for all logits.
    """
    argument, form = third_word(argument, "features", "logits")
    return one_stage(method, argument, form=form, beta=0.5 if form == "logits" else beta, **fields)
