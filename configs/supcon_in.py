"""SupCon with the sum over positives inside the logarithm (Khosla et al. 2020, Eq. 3, L_in).

    python -m contrastive_jax.main --config=configs/supcon_in.py:cifar10,resnet50 --workdir=runs/in
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:supcontrast --config.pretrained=runs/in

Argument: dataset,network (default cifar10,resnet50).

Recipe: that of `supcon.py`; only the loss differs. The paper compares the two losses on ImageNet alone, resnet50, Table
1: top-1 67.4 for L_in, 78.7 for L_out (`supcon_imagenet.py`, the first with `--config.method.name=supcon_in`). It gives
no number for CIFAR.
"""

from contrastive_jax.config.presets import pretraining, refuse_imagenet
from contrastive_jax.recipes import augmentations


def get_config(argument="cifar10,resnet50"):
    refuse_imagenet(argument, instead="supcon_imagenet.py --config.method.name=supcon_in")
    config = pretraining("supcon_in", argument, optimizer="sgd", schedule="cosine")
    config.method.update(tau=0.1, loss_scale=0.1 / 0.07)  # the authors' code scales the loss by tau / 0.07
    config.head.update(dim=128, depth=2)
    config.augment.update(augmentations.supcon_cifar())
    config.update(epochs=1000.0, batch_size=1024)
    config.learning_rate.update(peak=0.5, scaling="none")
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    config.schedule.update(warmup_epochs=10.0, warmup_from=0.01)
    config.schedule.update(per="epoch_end", spans="all_epochs", final_fraction=1e-3)
    return config
