"""SD-MoCo v3: MoCo v3 whose intermediate layers predict the teacher too (Jang et al. 2023, Alg. 1).

    python -m contrastive_jax.main --config=configs/sdssl_moco_v3.py:imagenet,vit_base_16 --workdir=runs/sd_moco_v3
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:sdssl --config.pretrained=runs/sd_moco_v3

Argument: dataset,network (default imagenet,vit_base_16).

Recipe: Sec. 4.1 and the authors' JSON files, one of which has alpha 1.0 for ViT-B/16 (`--config.method.alpha=1.0`).
alpha grows from 0 along a cosine. The authors used eight A100 for five days (ViT-B/16) and four A6000 for three
(ViT-S/32). Expected ImageNet accuracy, Table 1 (k-NN / linear, one run):

    MoCo v3      ViT-S/32 57.1 / 60.7   ViT-B/16 69.7 / 75.1   (`sdssl_moco_v3_baseline.py`)
    SD-MoCo v3   ViT-S/32 59.0 / 63.7   ViT-B/16 72.0 / 76.0

Table 6, ViT-S/32, 100 epochs (`--config.epochs=100.0`), k-NN: MoCo v3 48.5, SD-MoCo v3 50.0, and SD-MoCo v3 with
`--config.method.alpha_schedule=constant` 48.2, with `--config.method.beta=0.0` 49.3, with `--config.method.alpha=0.0`
48.6.

Table 2, k-NN: ViT-T/32 44.6 and 45.3, ViT-B/32 62.9 and 65.0 (the baseline first). The paper states neither batch nor
alpha for these two networks; here they are those of ViT-B/16, a guess.

Other networks and data sets (`cifar10,vit_tiny_4`, `cifar10,resnet18`) train but have no published numbers. In a ResNet
every block but the last gets an exit of one linear layer. The authors judge the teacher,
which has no such exits: judge a ResNet's student, with `linear_eval.py:moco_v3_resnet`.
"""

from contrastive_jax.config.presets import pretraining
from contrastive_jax.recipes import augmentations, sdssl


def get_config(argument="imagenet,vit_base_16"):
    small = argument.endswith("vit_small_32")
    config = pretraining("sdssl_moco_v3", argument, optimizer="adamw", schedule="cosine")
    if config.network.name == "vit":
        config.network.update(subnetworks=sdssl.VIT_EXITS)
    else:
        config.network.update(subnetworks=sdssl.RESNET_EXITS, subnetwork="fc")
    config.method.update(tau=0.2, loss_scale=2 * 0.2)  # the authors' loss has a factor 2 tau
    config.method.update(alpha=0.6 if small else 0.8, alpha_schedule="cosine", beta=1.0, layer_hidden=2048)
    config.method.update(teacher_momentum=0.996, predictor_depth=2, predictor_hidden=4096)
    config.head.update(dim=256, depth=3, hidden=4096, hidden_bias=False, output_bias=False)
    config.head.update(hidden_norm=True, output_norm="plain")
    config.augment.update(augmentations.sdssl())
    config.update(epochs=300.0, batch_size=4096 if small else 1024)
    config.learning_rate.update(peak=1.5e-4, scaling="linear", reference_batch=256)
    config.optimizer.update(weight_decay=0.1, decay="kernels")
    config.schedule.update(warmup_epochs=40.0, warmup_endpoint=True)
    return config
