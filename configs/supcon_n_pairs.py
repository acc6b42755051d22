"""N-pairs in SupCon's framework (Khosla et al. 2020, Sec. 4.1 and Eq. 27).

    python -m contrastive_jax.main --config=configs/supcon_n_pairs.py:cifar10,resnet50 --workdir=runs/n_pairs
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:supcontrast --config.pretrained=runs/n_pairs

Argument: dataset,network (default cifar10,resnet50).

One view, no temperature, and a single positive: another image of the class. Recipe: that of `supcon.py`, whose batch of
1024 gives nearly every image of CIFAR a partner. The paper trained resnet50 on ImageNet at batch 6144, in SupCon's own
setup: top-1 57.4, against 78.7 for SupCon (`supcon_imagenet.py`, which has the command). It gives no number for CIFAR.
"""

from contrastive_jax.config.presets import pretraining, refuse_imagenet
from contrastive_jax.recipes import augmentations


def get_config(argument="cifar10,resnet50"):
    overrides = "--config.method.tau=1.0 --config.method.loss_scale=1.0 --config.method.views=1"
    refuse_imagenet(argument, instead=f"supcon_imagenet.py --config.method.name=supcon_n_pairs {overrides}")
    config = pretraining("supcon_n_pairs", argument, optimizer="sgd", schedule="cosine")
    config.method.update(tau=1.0, views=1)
    config.head.update(dim=128, depth=2)
    config.augment.update(augmentations.supcon_cifar())
    config.update(epochs=1000.0, batch_size=1024)
    config.learning_rate.update(peak=0.5, scaling="none")
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    config.schedule.update(warmup_epochs=10.0, warmup_from=0.01)
    config.schedule.update(per="epoch_end", spans="all_epochs", final_fraction=1e-3)
    return config
