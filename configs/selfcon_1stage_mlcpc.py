"""One-stage training with ML-CPC's loss between sub-network and backbone (Bae et al. 2021, Sec. 4.6).

    python -m contrastive_jax.main --config=configs/selfcon_1stage_mlcpc.py:cifar100,resnet18 --workdir=runs/mlcpc
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:own --config.pretrained=runs/mlcpc

Argument: dataset,network (default cifar100,resnet18).

Recipe: App. B (crops and flips only; the rate is explained in `selfcon_1stage_selfcon.py`). The backbone's outputs are
detached in the matching loss, and their norm multiplies it. The paper does not state ML-CPC's temperature and number of
negatives: they are those of CRD here. Expected accuracy of the backbone's classifier on the test set, Table 7
(features) and Table 10 (logits):

    resnet18 features   CIFAR-10 94.87 +- 0.01    CIFAR-100 74.62 +- 0.07    Tiny-ImageNet 57.93 +- 0.07
    resnet18 logits     CIFAR-10 94.45 +- 0.20    CIFAR-100 74.83 +- 0.36    Tiny-ImageNet 58.10 +- 0.06
    resnet50 features   CIFAR-10 94.93 +- 0.03    CIFAR-100 76.75 +- 0.80    Tiny-ImageNet 62.33 +- 0.29
    resnet50 logits     CIFAR-10 95.05 +- 0.23    CIFAR-100 76.47 +- 0.28    Tiny-ImageNet 62.98 +- 0.36

`--config.method.form=logits --config.method.beta=0.5` matches logits, without projection heads (App. F). The metric
`accuracy_final` is the accuracy of the backbone's classifier on the augmented batch.
"""

from contrastive_jax.config.presets import pretraining, refuse_imagenet
from contrastive_jax.recipes import augmentations, selfcon


def get_config(argument="cifar100,resnet18"):
    refuse_imagenet(argument)
    config = pretraining("selfcon_1stage_mlcpc", argument, optimizer="sgd", schedule="cosine")
    config.network.update(subnetworks=selfcon.exits(config.network.name), subnetwork="small")
    config.method.update(form="features", beta=1.0, tau=0.07, alpha=0.01)
    config.method.update(negatives=16384, memory_momentum=0.5)
    config.head.update(dim=128, depth=2)
    config.augment.update(augmentations.crop_flip())
    config.update(epochs=500.0, batch_size=512)
    config.learning_rate.update(peak=0.125, scaling="linear", reference_batch=128)
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    config.schedule.update(per="epoch_end", spans="all_epochs", final_fraction=1e-3)
    return config
