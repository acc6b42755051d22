"""Cross-entropy: the supervised baseline that SelfCon and SupCon compare with, trained in one stage.

    python -m contrastive_jax.main --config=configs/cross_entropy.py:cifar100,resnet18 --workdir=runs/ce
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:own --config.pretrained=runs/ce

Argument: dataset,network (default cifar100,resnet18).

Expected accuracy of the trained classifier, SelfCon, Tables 1 and 2:

    resnet18    CIFAR-10 94.16 +- 0.37    CIFAR-100 72.09 +- 1.41    Tiny-ImageNet 57.44 +- 0.06
    resnet50    CIFAR-10 94.75 +- 0.24    CIFAR-100 74.72 +- 0.50    Tiny-ImageNet 60.70 +- 0.29
    wrn_16_8    CIFAR-10 94.55 +- 0.10    CIFAR-100 74.60 +- 0.05    Tiny-ImageNet 56.46 +- 0.06
    vgg16_bn    CIFAR-10 93.59 +- 0.08    CIFAR-100 70.78 +- 0.49    Tiny-ImageNet 58.31 +- 0.31

Recipe: SelfCon's `scripts/1stage_train.sh`, which trains this baseline: rate 0.8 at batch 1024, crops and flips only
(Sec. 4.1, footnote 4), no warm-up. The paper names no settings for it. Its Table 7 repeats the accuracies among the
one-stage experiments, whose settings (App. B) differ:

    paper    --config.batch_size=512 --config.learning_rate.peak=0.125

`supcon_cross_entropy.py` has SupCon's recipe: the same, with a warm-up. SelfCon has no number for ImageNet; SupCon's
recipe is `supcon_cross_entropy_imagenet.py`.
"""

from contrastive_jax.config.presets import pretraining, refuse_imagenet
from contrastive_jax.recipes import augmentations


def get_config(argument="cifar100,resnet18"):
    refuse_imagenet(argument, instead="supcon_cross_entropy_imagenet.py")
    config = pretraining("cross_entropy", argument, optimizer="sgd", schedule="cosine")
    config.method.update(label_smoothing=0.0)
    config.augment.update(augmentations.crop_flip())
    config.update(epochs=500.0, batch_size=1024)
    config.learning_rate.update(peak=0.1, scaling="linear", reference_batch=128)  # 0.8 at batch 1024
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    config.schedule.update(per="epoch_end", spans="all_epochs", final_fraction=1e-3)
    return config
