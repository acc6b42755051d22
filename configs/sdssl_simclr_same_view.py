"""SDSSL's ablation: SimCLR whose intermediate layers mimic their own view (Jang et al. 2023, App. C).

    python -m contrastive_jax.main --config=configs/sdssl_simclr_same_view.py:imagenet,vit_base_16 --workdir=runs/same
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:moco_v3 --config.pretrained=runs/same

Argument: dataset,network (default imagenet,vit_base_16).

Recipe: that of `sdssl_simclr.py`; its baseline is `sdssl_simclr_baseline.py`. Expected ImageNet k-NN accuracy of
ViT-S/32 after 200 epochs (`:imagenet,vit_small_32 --config.epochs=200.0`), Table 11:

    SimCLR 47.2    SD-SimCLR 49.0    in the same view 48.4

Other networks and data sets (`cifar10,vit_tiny_4`, `cifar10,resnet18`) train but have no published numbers. In a ResNet
every block but the last gets an exit of one linear layer.
"""

from contrastive_jax.config.presets import pretraining
from contrastive_jax.recipes import augmentations, sdssl


def get_config(argument="imagenet,vit_base_16"):
    small = argument.endswith("vit_small_32")
    config = pretraining("sdssl_simclr_same_view", argument, optimizer="adamw", schedule="cosine")
    if config.network.name == "vit":
        config.network.update(subnetworks=sdssl.VIT_EXITS)
    else:
        config.network.update(subnetworks=sdssl.RESNET_EXITS, subnetwork="fc")
    config.method.update(tau=0.2)
    config.method.update(alpha=0.6 if small else 0.8, alpha_schedule="cosine", layer_hidden=2048)
    config.head.update(dim=256, depth=3, hidden=4096, hidden_bias=False, output_bias=False)
    config.head.update(hidden_norm=True, output_norm="plain")
    config.augment.update(augmentations.sdssl())
    config.update(epochs=300.0, batch_size=4096 if small else 1024)
    config.learning_rate.update(peak=1.3e-4, scaling="linear", reference_batch=256)
    config.optimizer.update(weight_decay=0.1, decay="kernels")
    config.schedule.update(warmup_epochs=40.0, warmup_endpoint=True)
    return config
