"""MoCo v3: predictions against a slow teacher's keys of the whole batch (Chen, Xie & He 2021).

    python -m contrastive_jax.main --config=configs/moco_v3.py:imagenet,vit_small_16 --workdir=runs/moco_v3
    python -m contrastive_jax.main --config=configs/moco_v3.py:imagenet,resnet50 --workdir=runs/moco_v3_resnet
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:moco_v3 --config.pretrained=runs/moco_v3

A ResNet is judged by `--config=configs/linear_eval.py:moco_v3_resnet`.

Argument: dataset,network (default imagenet,vit_small_16).

Recipe: the authors' reference commands, which differ between ViT and ResNet. A ViT's patch projection stays frozen, and
all its other parameters decay, as AdamW has it in the authors' code. The authors used 32 or 64 V100 (ViT) and 16
(ResNet). Expected ImageNet linear accuracy, their table, one run:

    vit_small_16 73.2    vit_base_16 76.7    resnet50 72.8

SDSSL trains MoCo v3 with another recipe: `sdssl_moco_v3_baseline.py`.
"""

from contrastive_jax.config.presets import pretraining
from contrastive_jax.recipes import augmentations


def get_config(argument="imagenet,vit_small_16"):
    vit = ",vit" in argument
    config = pretraining("moco_v3", argument, optimizer="adamw" if vit else "lars", schedule="cosine")
    config.method.update(teacher_momentum=0.99, predictor_depth=2, predictor_hidden=4096)
    config.head.update(dim=256, hidden=4096, hidden_bias=False, output_bias=False)
    config.head.update(hidden_norm=True, output_norm="plain")
    config.augment.update(augmentations.moco_v3())
    config.update(epochs=300.0, batch_size=4096)
    if vit:
        config.method.update(tau=0.2, loss_scale=2 * 0.2)  # the authors' loss has a factor 2 tau
        config.head.update(depth=3)
        config.learning_rate.update(peak=1.5e-4, scaling="linear", reference_batch=256)
        config.optimizer.update(weight_decay=0.1, decay="all")
        config.schedule.update(warmup_epochs=40.0)
    else:
        config.network.update(residual_scale=0.0)  # every block starts as the identity
        config.method.update(tau=1.0, loss_scale=2 * 1.0)
        config.head.update(depth=2)
        config.augment.update(crop_scale=(0.2, 1.0))
        config.learning_rate.update(peak=0.3, scaling="linear", reference_batch=256)
        config.optimizer.update(momentum=0.9, weight_decay=1e-6, decay="kernels")
        config.schedule.update(warmup_epochs=10.0)
    return config
