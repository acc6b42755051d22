"""MoCo v3: predictions against a slow teacher's keys of the whole batch (Chen, Xie & He 2021).

    python -m contrastive_jax.main --config=configs/moco_v3.py:imagenet,vit_small_16 --workdir=runs/moco_v3
    python -m contrastive_jax.main --config=configs/moco_v3.py:imagenet,resnet50 --workdir=runs/moco_v3_resnet
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py --config.pretrained=runs/moco_v3

Recipe: the authors' reference commands: 300 epochs, batch 4096, teacher momentum 0.99, heads 4096-256 with
BatchNorm. ViT: AdamW 1.5e-4 per 256 images, weight decay 0.1, 40 warm-up epochs, tau 0.2, projector of three
layers, frozen patch projection. ResNet: LARS 0.3 per 256, weight decay 1e-6, 10 warm-up epochs, tau 1.0,
projector of two layers, crops from 0.2 of the area. Their factor 2 tau is `loss_scale`. Hardware there: 32 or
64 V100 (ViT), 16 (ResNet). Expected ImageNet linear accuracy, their table, one run:

    vit_small_16 73.2    vit_base_16 76.7    resnet50 72.8

SDSSL's MoCo v3 is another recipe: `sdssl_moco_v3.py:imagenet,vit_base_16,baseline`.
"""

from contrastive_jax.config.presets import pretraining
from contrastive_jax.recipes import augment_as
from contrastive_jax.recipes import augmentations as recipes


def get_config(argument="imagenet,vit_small_16"):
    vit = argument.split(",")[-1].startswith("vit")
    config = pretraining("moco_v3", argument, optimizer="adamw" if vit else "lars")
    config.epochs = 300.0
    config.batch_size = 4096
    augment_as(config, recipes.moco_v3())
    config.head.update(
        dim=256, hidden=4096, hidden_norm=True, output_norm="plain", hidden_bias=False, output_bias=False
    )
    config.method.update(teacher_momentum=0.99, predictor_depth=2, predictor_hidden=4096)
    if vit:
        config.head.depth = 3
        config.method.update(tau=0.2, loss_scale=2 * 0.2)
        config.learning_rate.update(peak=1.5e-4, scaling="linear", reference_batch=256)
        config.optimizer.update(weight_decay=0.1, decay="kernels")
        config.schedule.update(warmup_epochs=40.0)
    else:
        config.augment.crop_scale = (0.2, 1.0)
        config.network.residual_scale = 0.0
        config.head.depth = 2
        config.method.update(tau=1.0, loss_scale=2 * 1.0)
        config.learning_rate.update(peak=0.3, scaling="linear", reference_batch=256)
        config.optimizer.update(weight_decay=1e-6, decay="kernels")
        config.schedule.update(warmup_epochs=10.0)
    return config
