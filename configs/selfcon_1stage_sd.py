"""One-stage self-distillation: sub-networks learn the backbone's softened posterior (Bae et al. 2021, Sec. 4.6).

    python -m contrastive_jax.main --config=configs/selfcon_1stage_sd.py:cifar100,resnet18 --workdir=runs/sd
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:own --config.pretrained=runs/sd

Argument: dataset,network (default cifar100,resnet18).

Recipe: App. B (crops and flips only; the rate is explained in `selfcon_1stage_selfcon.py`): half cross-entropy and half
KL, with the backbone detached. The paper does not state the temperature of the posteriors; 3 is the released code's.
Expected accuracy of the backbone's classifier, Tables 7 and 10:

    resnet18    CIFAR-10 94.85 +- 0.14    CIFAR-100 73.69 +- 0.08    Tiny-ImageNet 58.01 +- 0.04
    resnet50    CIFAR-10 94.97 +- 0.24    CIFAR-100 76.48 +- 0.78    Tiny-ImageNet 61.74 +- 0.44
"""

from contrastive_jax.config.presets import pretraining, refuse_imagenet
from contrastive_jax.recipes import augmentations, selfcon


def get_config(argument="cifar100,resnet18"):
    refuse_imagenet(argument)
    config = pretraining("selfcon_1stage_sd", argument, optimizer="sgd", schedule="cosine")
    config.network.update(subnetworks=selfcon.exits(config.network.name), subnetwork="small")
    config.method.update(beta=0.5, soft=3.0)
    config.augment.update(augmentations.crop_flip())
    config.update(epochs=500.0, batch_size=512)
    config.learning_rate.update(peak=0.125, scaling="linear", reference_batch=128)
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    config.schedule.update(per="epoch_end", spans="all_epochs", final_fraction=1e-3)
    return config
