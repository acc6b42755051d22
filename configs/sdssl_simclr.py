"""SD-SimCLR: SimCLR whose intermediate layers mimic the other view's final output (Jang et al. 2023, Eq. 6).

    python -m contrastive_jax.main --config=configs/sdssl_simclr.py:imagenet,vit_base_16 --workdir=runs/sd_simclr
    python -m contrastive_jax.main --config=configs/sdssl_simclr.py:imagenet,vit_base_16,baseline --workdir=runs/simclr
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py --config.pretrained=runs/sd_simclr

The third word `baseline` trains SimCLR without self-distillation.

Recipe: Sec. 4.1 and the authors' JSON files: 300 epochs, AdamW with weight decay 0.1 (no biases, no scales),
1.3e-4 per 256 images with 40 warm-up epochs, tau 0.2 (hard-coded there), MoCo v3's two augmentations; no
predictor and no teacher. Batch 1024 for ViT-B/16, 4096 for ViT-S/32. alpha grows to 0.8 and 0.6. Hardware
there: eight A100 for five days (ViT-B/16), four A6000 for three (ViT-S/32). Expected ImageNet accuracy, Table 1
(k-NN / linear, one run):

    SimCLR       ViT-S/32 51.5 / 52.8   ViT-B/16 62.1 / 70.5
    SD-SimCLR    ViT-S/32 53.4 / 55.3   ViT-B/16 64.4 / 72.1

Other networks and sets (`cifar10,vit_tiny_4`, `cifar10,resnet18`) have no published numbers; a ResNet leaves
after every block through one linear layer.
"""

from contrastive_jax.recipes import sdssl, third_word


def get_config(argument="imagenet,vit_base_16"):
    argument, row = third_word(argument, "distilled", "baseline")
    if row == "baseline":
        config = sdssl.baseline("simclr", argument, tau=0.2)
    else:
        config = sdssl.self_distilled("sdssl_simclr", argument, tau=0.2)
    config.learning_rate.peak = 1.3e-4
    return config
