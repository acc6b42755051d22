"""Khosla et al. 2020, *Supervised Contrastive Learning*: the authors' PyTorch code for CIFAR (SupContrast).

Its README's commands, from which the paper's CIFAR numbers come: SGD, a cosine per epoch over all epochs down to a
thousandth of the peak, whose first 10 epochs a warm-up from 0.01 replaces. The augmentation is `Recipe`'s default.
"""

from typing import Any

from ml_collections import ConfigDict

from contrastive_jax.config.presets import pretraining


def cifar(method: str, argument: str, **fields: Any) -> ConfigDict:
    """1000 epochs of batch 1024 at learning rate 0.5; `fields` are the method's."""
    config = pretraining(method, argument)
    config.update(
        epochs=1000.0,
        batch_size=1024,
        method=fields,
        learning_rate=dict(peak=0.5),
        optimizer=dict(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all"),
        schedule=dict(
            warmup_epochs=10.0, warmup_from=0.01, per="epoch_end", spans="all_epochs", final_fraction=1e-3
        ),
    )
    return config


def contrastive(method: str, argument: str, *, tau: float, **fields: Any) -> ConfigDict:
    """`cifar` for a loss with a temperature, as their code scales it."""
    return cifar(method, argument, **temperature(tau), **fields)


def with_memory(method: str, argument: str, *, tau: float, **fields: Any) -> ConfigDict:
    """`contrastive` for a method that keeps earlier embeddings: the paper's batch of 256 (Sec. 4.1), the rate
    scaled to it.
    """
    config = contrastive(method, argument, tau=tau, **fields)
    config.update(batch_size=256, learning_rate=dict(scaling="linear", reference_batch=1024))
    return config


def temperature(tau: float) -> dict[str, float]:
    """Their loss is the mean over anchors times tau / 0.07, with which the learning rates were tuned."""
    return {"tau": tau, "loss_scale": tau / 0.07}
