"""MoCo v3 by SDSSL's recipe, without self-distillation: the baseline of `sdssl_moco_v3.py` (Jang et al. 2023).

    python -m contrastive_jax.main --config=configs/sdssl_moco_v3_baseline.py:imagenet,vit_base_16 --workdir=runs/v3
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:sdssl --config.pretrained=runs/v3

Argument: dataset,network (default imagenet,vit_base_16).

Recipe: Sec. 4.1 and the authors' JSON files, as in `sdssl_moco_v3.py`. MoCo v3's authors train differently:
`moco_v3.py`. Expected ImageNet accuracy, Table 1 (k-NN / linear, one run):

    MoCo v3      ViT-S/32 57.1 / 60.7   ViT-B/16 69.7 / 75.1

Table 6, ViT-S/32, 100 epochs (`--config.epochs=100.0`), k-NN: 48.5. Table 2, k-NN: ViT-T/32 44.6, ViT-B/32 62.9, for
which the paper states no batch; here it is that of ViT-B/16, a guess.

Other networks and data sets (`cifar10,vit_tiny_4`, `cifar10,resnet18`) train but have no published numbers. The
authors judge the teacher, as `linear_eval.py:sdssl` does.
"""

from contrastive_jax.config.presets import pretraining
from contrastive_jax.recipes import augmentations, sdssl


def get_config(argument="imagenet,vit_base_16"):
    small = argument.endswith("vit_small_32")
    config = pretraining("moco_v3", argument, optimizer="adamw", schedule="cosine")
    if config.network.name == "vit":  # its exits cost nothing: judge the baseline layer by layer too
        config.network.update(subnetworks=sdssl.VIT_EXITS)
    else:
        config.network.update(subnetwork="fc")  # for exits that the command line adds
    config.method.update(tau=0.2, loss_scale=2 * 0.2)  # the authors' loss has a factor 2 tau
    config.method.update(teacher_momentum=0.996, predictor_depth=2, predictor_hidden=4096)
    config.head.update(dim=256, depth=3, hidden=4096, hidden_bias=False, output_bias=False)
    config.head.update(hidden_norm=True, output_norm="plain")
    config.augment.update(augmentations.sdssl())
    config.update(epochs=300.0, batch_size=4096 if small else 1024)
    config.learning_rate.update(peak=1.5e-4, scaling="linear", reference_batch=256)
    config.optimizer.update(weight_decay=0.1, decay="kernels")
    config.schedule.update(warmup_epochs=40.0, warmup_endpoint=True)
    return config
