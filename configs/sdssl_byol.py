"""SD-BYOL: BYOL whose intermediate layers predict the teacher too (Jang et al. 2023).

    python -m contrastive_jax.main --config=configs/sdssl_byol.py:imagenet,vit_base_16 --workdir=runs/sd_byol
    python -m contrastive_jax.main --config=configs/sdssl_byol.py:imagenet,vit_base_16,baseline --workdir=runs/byol
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py --config.pretrained=runs/sd_byol

The third word `baseline` trains BYOL without self-distillation.

Recipe: Sec. 4.1 and the authors' JSON files: 300 epochs, AdamW with weight decay 0.1 (no biases, no scales),
1.5e-4 per 256 images with 40 warm-up epochs, teacher momentum 0.996, MoCo v3's two augmentations; no BatchNorm
behind the heads. Batch 1024 for ViT-B/16, 4096 for ViT-S/32. alpha grows to 0.8 and 0.6. Hardware there: eight
A100 for five days (ViT-B/16), four A6000 for three (ViT-S/32). Expected ImageNet accuracy, Table 1 (k-NN /
linear, one run):

    BYOL         ViT-S/32 56.4 / 59.8   ViT-B/16 68.1 / 73.7
    SD-BYOL      ViT-S/32 57.9 / 61.8   ViT-B/16 70.3 / 74.5

Other networks and sets (`cifar10,vit_tiny_4`, `cifar10,resnet18`) have no published numbers; a ResNet leaves
after every block through one linear layer. The features that are judged are the student's; the authors' k-NN
monitor reads the teacher's.
"""

from contrastive_jax.recipes import sdssl


def get_config(argument="imagenet,vit_base_16"):
    config = sdssl.with_teacher("sdssl_byol", "byol", argument)
    config.head.output_norm = "none"
    return config
