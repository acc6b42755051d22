"""One-stage training with CompRess' loss between sub-network and backbone (Bae et al. 2021, Sec. 4.6).

    python -m contrastive_jax.main --config=configs/selfcon_1stage_compress.py:cifar100,resnet18 --workdir=runs/compress
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:own --config.pretrained=runs/compress

Argument: dataset,network (default cifar100,resnet18).

Recipe: App. B (crops and flips only; the rate is explained in `selfcon_1stage_selfcon.py`). The backbone's outputs are
detached in the matching loss, and their norm multiplies it. Temperature 0.04 is CompRess' own. Its queue of 128000 is
for ImageNet and SelfCon states none, so it is 16384 here. Expected accuracy of the backbone's classifier on the test
set, Table 7 (features) and Table 10 (logits):

    resnet18 features   CIFAR-10 94.30 +- 0.06    CIFAR-100 74.34 +- 0.02    Tiny-ImageNet 58.34 +- 0.07
    resnet18 logits     CIFAR-10 94.66 +- 0.18    CIFAR-100 73.77 +- 0.08    Tiny-ImageNet 58.00 +- 0.03
    resnet50 features   CIFAR-10 94.83 +- 0.01    CIFAR-100 76.80 +- 0.62    Tiny-ImageNet 62.33 +- 0.37
    resnet50 logits     CIFAR-10 95.06 +- 0.02    CIFAR-100 75.93 +- 0.68    Tiny-ImageNet 62.83 +- 0.24

`--config.method.form=logits --config.method.beta=0.5` matches logits, without projection heads (App. F). The metric
`accuracy_final` is the accuracy of the backbone's classifier on the augmented batch.
"""

from contrastive_jax.config.presets import pretraining, refuse_imagenet
from contrastive_jax.recipes import augmentations, selfcon


def get_config(argument="cifar100,resnet18"):
    refuse_imagenet(argument)
    config = pretraining("selfcon_1stage_compress", argument, optimizer="sgd", schedule="cosine")
    config.network.update(subnetworks=selfcon.exits(config.network.name), subnetwork="small")
    config.method.update(form="features", beta=1.0, tau=0.04, queue_size=16384)
    config.head.update(dim=128, depth=2)
    config.augment.update(augmentations.crop_flip())
    config.update(epochs=500.0, batch_size=512)
    config.learning_rate.update(peak=0.125, scaling="linear", reference_batch=128)
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    config.schedule.update(per="epoch_end", spans="all_epochs", final_fraction=1e-3)
    return config
