"""One-stage training as SelfCon's released code has it; the paper's is `selfcon_1stage_selfcon.py`.

    python -m contrastive_jax.main --config=configs/selfcon_1stage_released.py:cifar100,resnet18 --workdir=runs/released
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:own --config.pretrained=runs/released

Argument: dataset,network (default cifar100,resnet18).

A sub-network's loss is alpha times cross-entropy, plus beta times KD, plus gamma times SelfCon. The body has the code's
`selfcon` setting. Its other two settings:

    kd           --config.method.alpha=0.5 --config.method.beta=0.5 --config.method.gamma=0.0
    subnet_ce    --config.method.gamma=0.0

Epochs, batch and learning rate are those of the paper's one-stage experiments (`selfcon_1stage_selfcon.py`). The code's
only script trains plain cross-entropy: `--config.batch_size=1024 --config.learning_rate.peak=0.1` has its batch and
rate. No numbers of this form are published.
"""

from contrastive_jax.config.presets import pretraining, refuse_imagenet
from contrastive_jax.recipes import augmentations, selfcon


def get_config(argument="cifar100,resnet18"):
    refuse_imagenet(argument)
    config = pretraining("selfcon_1stage_released", argument, optimizer="sgd", schedule="cosine")
    config.network.update(subnetworks=selfcon.exits(config.network.name), subnetwork="small")
    config.method.update(tau=3.0, alpha=1.0, beta=0.0)
    config.method.update(gamma=0.8 * 3.0 / 0.07)  # 0.8, and the factor tau / 0.07 of the code's SelfCon loss
    config.head.update(dim=128, depth=2)
    config.augment.update(augmentations.crop_flip())
    config.update(epochs=500.0, batch_size=512)
    config.learning_rate.update(peak=0.125, scaling="linear", reference_batch=128)
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    config.schedule.update(per="epoch_end", spans="all_epochs", final_fraction=1e-3)
    return config
