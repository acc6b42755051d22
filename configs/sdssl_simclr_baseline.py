"""SimCLR by SDSSL's recipe, without self-distillation: the baseline of `sdssl_simclr.py` (Jang et al. 2023).

    python -m contrastive_jax.main --config=configs/sdssl_simclr_baseline.py:imagenet,vit_base_16 --workdir=runs/simclr
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:moco_v3 --config.pretrained=runs/simclr

Argument: dataset,network (default imagenet,vit_base_16).

Recipe: Sec. 4.1 and the authors' JSON files, as in `sdssl_simclr.py`. Expected ImageNet accuracy, Table 1 (k-NN /
linear, one run):

    SimCLR       ViT-S/32 51.5 / 52.8   ViT-B/16 62.1 / 70.5

Unlike the baselines with a teacher it has no exits after its layers: each would carry a projection head here. Layer by
layer, the paper judges MoCo v3 alone (Fig. 4).

Other networks and data sets (`cifar10,vit_tiny_4`, `cifar10,resnet18`) train but have no published numbers.
"""

from contrastive_jax.config.presets import pretraining
from contrastive_jax.recipes import augmentations


def get_config(argument="imagenet,vit_base_16"):
    small = argument.endswith("vit_small_32")
    config = pretraining("simclr", argument, optimizer="adamw", schedule="cosine")
    if config.network.name != "vit":
        config.network.update(subnetwork="fc")  # for exits that the command line adds
    config.method.update(tau=0.2)
    config.head.update(dim=256, depth=3, hidden=4096, hidden_bias=False, output_bias=False)
    config.head.update(hidden_norm=True, output_norm="plain")
    config.augment.update(augmentations.sdssl())
    config.update(epochs=300.0, batch_size=4096 if small else 1024)
    config.learning_rate.update(peak=1.3e-4, scaling="linear", reference_batch=256)
    config.optimizer.update(weight_decay=0.1, decay="kernels")
    config.schedule.update(warmup_epochs=40.0, warmup_endpoint=True)
    return config
