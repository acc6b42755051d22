"""SDSSL's ablation: SimCLR whose intermediate layers mimic their own view (Jang et al. 2023, App. C).

    python -m contrastive_jax.main --config=configs/sdssl_simclr_same_view.py:imagenet,vit_base_16 --workdir=runs/same
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py --config.pretrained=runs/same

Its baselines: `sdssl_simclr.py`.

Recipe: Sec. 4.1 and the authors' JSON files: 300 epochs, AdamW with weight decay 0.1 (no biases, no scales),
1.3e-4 per 256 images with 40 warm-up epochs, tau 0.2 (hard-coded there), MoCo v3's two augmentations; no
predictor and no teacher. Batch 1024 for ViT-B/16, 4096 for ViT-S/32. alpha grows to 0.8 and 0.6. Hardware
there: eight A100 for five days (ViT-B/16), four A6000 for three (ViT-S/32). Expected ImageNet k-NN accuracy,
Table 11 (network and epochs not stated; perhaps those of Table 6):

    SimCLR 47.2    SD-SimCLR 49.0    in the same view 48.4

Other networks and sets (`cifar10,vit_tiny_4`, `cifar10,resnet18`) have no published numbers; a ResNet leaves
after every block through one linear layer.
"""

from contrastive_jax.recipes import sdssl, third_word


def get_config(argument="imagenet,vit_base_16"):
    argument, _ = third_word(
        argument, "distilled"
    )  # no other is known: a baseline belongs to `sdssl_simclr.py`
    config = sdssl.self_distilled("sdssl_simclr_same_view", argument, tau=0.2)
    config.learning_rate.peak = 1.3e-4
    return config
