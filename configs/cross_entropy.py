"""Cross-entropy: the supervised baseline that SelfCon and SupCon compare with, trained in one stage.

    python -m contrastive_jax.main --config=configs/cross_entropy.py:cifar100,resnet18 --workdir=runs/ce
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:own --config.pretrained=runs/ce

Argument: dataset,network (default cifar100,resnet18).

Expected accuracy of the trained classifier. SelfCon, Table 1: resnet18 CIFAR-10 94.16 +- 0.37, CIFAR-100 72.09 +- 1.41,
Tiny-ImageNet 57.44 +- 0.06. SupCon, Table 2: resnet50 CIFAR-10 95.0, CIFAR-100 75.3.

Recipe: that of `selfcon_s.py`. The papers do not state the epochs of this baseline; SelfCon says that its settings hold
for every experiment, so they are kept. `supcon_cross_entropy.py` has SupCon's recipe.
"""

from contrastive_jax.config.presets import pretraining
from contrastive_jax.recipes import augmentations


def get_config(argument="cifar100,resnet18"):
    config = pretraining("cross_entropy", argument, optimizer="sgd", schedule="cosine")
    config.method.update(label_smoothing=0.0)
    config.augment.update(augmentations.selfcon())
    config.update(epochs=1000.0, batch_size=256)
    config.learning_rate.update(peak=0.0625, scaling="linear", reference_batch=128)
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    config.schedule.update(per="epoch_end", spans="all_epochs", final_fraction=1e-3)
    return config
