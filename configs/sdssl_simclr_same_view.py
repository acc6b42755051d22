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

from contrastive_jax.configuration import pretraining

ALPHA = {"vit_small_32": 0.6}
BATCH = {"vit_small_32": 4096}


def get_config(argument="imagenet,vit_base_16"):
    _, network = argument.split(",")
    config = pretraining("sdssl_simclr_same_view", argument, optimizer="adamw")
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
    config.method.update(tau=0.2, alpha=ALPHA.get(network, 0.8), alpha_schedule="cosine", layer_hidden=2048)
    config.learning_rate.update(peak=1.3e-4, scaling="linear", reference_batch=256)
    config.optimizer.update(weight_decay=0.1, decay="kernels")
    config.schedule.update(warmup_epochs=40.0, warmup_endpoint=True)
    return config
