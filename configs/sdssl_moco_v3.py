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

from contrastive_jax.configuration import pretraining
from contrastive_jax.errors import InputError

ALPHA = {"vit_small_32": 0.6}
BATCH = {"vit_small_32": 4096}


def get_config(argument="imagenet,vit_base_16"):
    _, network, *row = argument.split(",")
    if row not in ([], ["baseline"]):
        raise InputError(f"the third word of '{argument}' must be 'baseline' or nothing.")
    config = pretraining("moco_v3" if row else "sdssl_moco_v3", argument, optimizer="adamw")
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
    # A ViT's exits cost nothing: the baseline has them too, to be judged layer by layer.
    if vit or not row:
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
    config.method.update(
        tau=0.2, loss_scale=2 * 0.2, teacher_momentum=0.996, predictor_depth=2, predictor_hidden=4096
    )
    if not row:
        config.method.update(
            alpha=ALPHA.get(network, 0.8), alpha_schedule="cosine", beta=1.0, layer_hidden=2048
        )
    config.learning_rate.update(peak=1.5e-4, scaling="linear", reference_batch=256)
    config.optimizer.update(weight_decay=0.1, decay="kernels")
    config.schedule.update(warmup_epochs=40.0, warmup_endpoint=True)
    return config
