"""SD-MoCo v3: MoCo v3 whose intermediate layers predict the teacher too (Jang et al. 2023, Alg. 1).

    python -m contrastive_jax.main --config=configs/sdssl_moco_v3.py:imagenet,vit_base_16 --workdir=runs/sd_moco_v3
    python -m contrastive_jax.main --config=configs/sdssl_moco_v3.py:imagenet,vit_base_16,baseline --workdir=runs/v3
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py --config.pretrained=runs/sd_moco_v3

The third word `baseline` trains MoCo v3 without self-distillation.

Recipe: Sec. 4.1 and the authors' JSON files: 300 epochs, AdamW with weight decay 0.1 (no biases, no scales),
1.5e-4 per 256 images with 40 warm-up epochs, tau 0.2, teacher momentum 0.996, MoCo v3's two augmentations. The
authors' factor 2 tau is `loss_scale`. Batch 1024 for ViT-B/16, 4096 for ViT-S/32. alpha grows to 0.8 and 0.6
(the authors' JSON has 1.0 for ViT-B/16: `--config.method.alpha=1.0`). Hardware there: eight A100 for five days
(ViT-B/16), four A6000 for three (ViT-S/32). Expected ImageNet accuracy, Table 1 (k-NN / linear, one run):

    MoCo v3      ViT-S/32 57.1 / 60.7   ViT-B/16 69.7 / 75.1
    SD-MoCo v3   ViT-S/32 59.0 / 63.7   ViT-B/16 72.0 / 76.0

Table 6, ViT-S/32, 100 epochs, k-NN: MoCo v3 48.5; SD-MoCo v3 50.0; `--config.method.alpha_schedule=constant`
48.2; `--config.method.beta=0.0` 49.3; `--config.method.alpha=0.0` 48.6.

Other networks and sets (`cifar10,vit_tiny_4`, `cifar10,resnet18`) have no published numbers; a ResNet leaves
after every block through one linear layer. The features that are judged are the student's; the authors' k-NN
monitor reads the teacher's.
"""

from contrastive_jax.recipes import sdssl


def get_config(argument="imagenet,vit_base_16"):
    return sdssl.with_teacher("sdssl_moco_v3", "moco_v3", argument, tau=0.2, loss_scale=2 * 0.2)
