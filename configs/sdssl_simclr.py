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

from contrastive_jax.configuration import pretraining
from contrastive_jax.errors import InputError

ALPHA = {"vit_small_32": 0.6}
BATCH = {"vit_small_32": 4096}


def get_config(argument="imagenet,vit_base_16"):
    _, network, *row = argument.split(",")
    if row not in ([], ["baseline"]):
        raise InputError(f"the third word of '{argument}' must be 'baseline' or nothing.")
    config = pretraining("simclr" if row else "sdssl_simclr", argument, optimizer="adamw")
    config.epochs = 300.0
    config.batch_size = BATCH.get(network, 1024)
    config.augment.update(
        crop_scale=(0.08, 1.0),
        saturation=0.2,
        blur_probability=(1.0, 0.1),
        solarize_probability=(0.0, 0.2),
    )
    vit = network.startswith("vit")
    if not vit:
        config.network.subnetwork = "fc"
    if not row:
        blocks = [f"layer{i:02d}" for i in range(1, 12)] if vit else ["block1", "block2", "block3"]
        config.network.subnetworks = tuple(blocks)
    config.head.update(
        dim=256,
        depth=3,
        hidden=4096,
        hidden_norm=True,
        output_norm="plain",
        hidden_bias=False,
        output_bias=False,
    )
    config.method.update(tau=0.2, loss_scale=1.0)
    if not row:
        config.method.update(alpha=ALPHA.get(network, 0.8), alpha_schedule="cosine", layer_hidden=2048)
    config.learning_rate.update(peak=1.3e-4, scaling="linear", reference_batch=256)
    config.optimizer.update(weight_decay=0.1, decay="kernels")
    config.schedule.update(warmup_epochs=40.0, warmup_endpoint=True)
    return config
