"""Cross-entropy as SupCon's baseline and two-stage control (Khosla et al. 2020, Table 2, Sec. 13).

    python -m contrastive_jax.main --config=configs/supcon_cross_entropy.py:cifar10,resnet50 --workdir=runs/ce
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:supcontrast --config.pretrained=runs/ce

Argument: dataset,network (default cifar10,resnet50).

The first command trains encoder and classifier in one stage. The second prints that classifier's accuracy and the
two-stage control's, a new classifier on the frozen encoder. Expected top-1 with resnet50:

    one stage (Table 2)              CIFAR-10 95.0    CIFAR-100 75.3

Recipe: the command in the README of the authors' PyTorch code, which gave the paper's CIFAR numbers: rate 0.8, 500
epochs (its parser's default), and crops and flips only. The paper tunes the learning rate and does not state it. It has
two stages on ImageNet alone (Table 7); ImageNet has a config of its own, `supcon_cross_entropy_imagenet.py`.
"""

from contrastive_jax.config.presets import pretraining, refuse_imagenet
from contrastive_jax.recipes import augmentations


def get_config(argument="cifar10,resnet50"):
    refuse_imagenet(argument, instead="supcon_cross_entropy_imagenet.py")
    config = pretraining("cross_entropy", argument, optimizer="sgd", schedule="cosine")
    config.method.update(label_smoothing=0.0)
    config.augment.update(augmentations.crop_flip())
    config.update(epochs=500.0, batch_size=1024)
    config.learning_rate.update(peak=0.8, scaling="none")
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    config.schedule.update(warmup_epochs=10.0, warmup_from=0.01)
    config.schedule.update(per="epoch_end", spans="all_epochs", final_fraction=1e-3)
    return config
