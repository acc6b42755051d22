"""Cross-entropy on ImageNet as SupCon's authors trained it: SupCon's baseline and two-stage control.

    python -m contrastive_jax.main --config=configs/supcon_cross_entropy_imagenet.py:imagenet,resnet50 --workdir=runs/ce
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:own --config.pretrained=runs/ce

Argument: dataset,network (default imagenet,resnet50).

Recipe: google-research, supcon/scripts/cross_entropy_imagenet_resnet50.sh, meant for 128 TPU cores. The paper (Khosla
et al. 2020) states the augmentation, the batch and SGD with momentum, which is Nesterov's in the script. Expected top-1
/ top-5 of the trained classifier, one run:

    resnet50     77.6 / 95.3    Table 3; Table 2 says 78.2 and Table 7 says 77.1
    resnet200    80.9 / 95.2    Table 3

For resnet200 `--config.augment.recipe=supcon_imagenet_stacked --config.batch_size=4096 --config.epochs=700.0`. Numbers
in the text (Sec. 4.1), resnet50: 77.5 with `--config.batch_size=12288`, 77.0 with `--config.epochs=1400.0`.

A new classifier on the frozen encoder, the control of Table 7 (73.7), is trained by `linear_eval.py:supcon_imagenet`
with `--config.protocol.normalize=False`; the paper does not say how its own was. All parameters decay but those of
BatchNorm, as in the script. CIFAR has a config of its own, `supcon_cross_entropy.py`.
"""

from contrastive_jax.config.presets import pretraining
from contrastive_jax.recipes import augmentations


def get_config(argument="imagenet,resnet50"):
    config = pretraining("cross_entropy", argument, optimizer="sgd", schedule="cosine")
    if "residual_scale" in config.network:
        config.network.update(residual_scale=0.0)  # the last BatchNorm of a block starts at 0
    config.method.update(label_smoothing=0.05)
    config.augment.update(augmentations.supcon_imagenet())
    config.update(epochs=200.0, batch_size=6144)
    config.learning_rate.update(peak=0.1, scaling="linear", reference_batch=256)
    config.optimizer.update(momentum=0.9, nesterov=True, weight_decay=1e-4, decay="all", exclude=("norm",))
    config.schedule.update(warmup_epochs=12.0, per="step", spans="after_warmup")
    return config
