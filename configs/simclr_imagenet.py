"""SimCLR on ImageNet: LARS, large batches, NT-Xent between two views (Chen et al. 2020).

    python -m contrastive_jax.main --config=configs/simclr_imagenet.py:imagenet,resnet50 --workdir=runs/simclr
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:simclr_imagenet \
        --config.pretrained=runs/simclr

Argument: dataset,network (default imagenet,resnet50).

Recipe: the paper's Sec. 2.2 and the first README of its code, which agree. The authors train 100 epochs in six hours on
32 TPU v3. Expected linear top-1 of resnet50, one run: 69.3 (their Table 6), and 64.5 after 100 epochs (README,
`--config.epochs=100.0`). Their later README scales the rate by the root of the batch and decays more:

    --config.learning_rate.peak=0.075 --config.learning_rate.scaling=sqrt --config.learning_rate.reference_batch=1
    --config.optimizer.weight_decay=1e-4

SupCon's authors tuned a SimCLR of their own: 70.2 in SupCon's Table 2. The paper has no settings; their script
(google-research, supcon/scripts/simclr_imagenet_resnet50.sh) has 100 epochs and a head of three layers:

    --config.epochs=100.0 --config.batch_size=6144 --config.optimizer.weight_decay=1e-4 --config.head.depth=3
    --config.head.output_norm=none --config.method.loss_scale=1.0 --config.schedule.warmup_epochs=12.0
    --config.augment.interpolation=bilinear --config.augment.antialias=True

It judges with `--config.protocol.batch_size=6144 --config.schedule.warmup_epochs=12.0` added to the second command.
*Intriguing Properties* trains this loss by a recipe of its own, `intriguing_nt_xent.py`. CIFAR: `simclr.py`.
"""

from contrastive_jax.config.presets import pretraining
from contrastive_jax.recipes import augmentations


def get_config(argument="imagenet,resnet50"):
    config = pretraining("simclr", argument, optimizer="lars", schedule="cosine")
    if "residual_scale" in config.network:
        config.network.update(residual_scale=0.0)  # every block of a ResNet starts as the identity
    config.method.update(tau=0.1, loss_scale=2.0)  # their code adds both directions
    config.head.update(dim=128, depth=2, hidden_norm=True, output_norm="scale")
    config.head.update(hidden_bias=False, output_bias=False, kernel="normal")
    config.augment.update(augmentations.simclr_imagenet())
    config.update(epochs=1000.0, batch_size=4096)
    config.learning_rate.update(peak=0.3, scaling="linear", reference_batch=256)
    config.optimizer.update(momentum=0.9, weight_decay=1e-6, decay="kernels")
    config.schedule.update(warmup_epochs=10.0)
    return config
