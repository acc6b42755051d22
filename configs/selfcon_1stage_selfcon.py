"""One-stage training with the SelfCon loss between sub-network and backbone (Bae et al. 2021, Sec. 4.6).

    python -m contrastive_jax.main --config=configs/selfcon_1stage_selfcon.py:cifar100,resnet18 --workdir=runs/selfcon
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:own --config.pretrained=runs/selfcon

Argument: dataset,network (default cifar100,resnet18).

Recipe: App. B, with crops and flips only (Sec. 4.1, footnote 4). The backbone's outputs are detached in the matching
loss, and their norm multiplies it. Expected accuracy of the backbone's classifier on the test set, Table 7 (features)
and Table 10 (logits):

    resnet18 features   CIFAR-10 94.66 +- 0.17    CIFAR-100 74.24 +- 0.17    Tiny-ImageNet 57.87 +- 0.19
    resnet18 logits     CIFAR-10 94.74 +- 0.02    CIFAR-100 74.59 +- 0.05    Tiny-ImageNet 58.18 +- 0.56
    resnet50 features   CIFAR-10 95.03 +- 0.17    CIFAR-100 76.44 +- 0.02    Tiny-ImageNet 63.31 +- 0.01
    resnet50 logits     CIFAR-10 95.07 +- 0.32    CIFAR-100 76.54 +- 0.73    Tiny-ImageNet 61.98 +- 0.15

The paper doubles the learning rate of representation learning, which it gives per 128 images: 0.125 here instead of
0.0625, and so 0.5 at batch 512. Other readings:

    0.25: twice the 0.125 at batch 256         --config.learning_rate.peak=0.0625
    0.8 at batch 1024: `1stage_train.sh`       --config.learning_rate.peak=0.1 --config.batch_size=1024

The script trains plain cross-entropy (`cross_entropy.py`); the code's one-stage losses have none.

`--config.method.form=logits --config.method.beta=0.5` matches logits, without projection heads (App. F). The metric
`accuracy_final` is the accuracy of the backbone's classifier on the augmented batch.
"""

from contrastive_jax.config.presets import pretraining, refuse_imagenet
from contrastive_jax.recipes import augmentations, selfcon


def get_config(argument="cifar100,resnet18"):
    refuse_imagenet(argument)
    config = pretraining("selfcon_1stage_selfcon", argument, optimizer="sgd", schedule="cosine")
    config.network.update(subnetworks=selfcon.exits(config.network.name), subnetwork="small")
    config.method.update(form="features", beta=1.0, tau=3.0)
    config.head.update(dim=128, depth=2)
    config.augment.update(augmentations.crop_flip())
    config.update(epochs=500.0, batch_size=512)
    config.learning_rate.update(peak=0.125, scaling="linear", reference_batch=128)
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    config.schedule.update(per="epoch_end", spans="all_epochs", final_fraction=1e-3)
    return config
