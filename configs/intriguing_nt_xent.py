"""NT-Xent, the standard member of the generalized family (Chen, Luo & Li 2021, Eq. 1).

    python -m contrastive_jax.main --config=configs/intriguing_nt_xent.py:cifar10,resnet50 --workdir=runs/nt_xent
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:simclr --config.pretrained=runs/nt_xent

Recipe: App. A.1 and SimCLR's TensorFlow code, which it follows: LARS, weight decay 1e-6, 10 warm-up epochs, a
head of `--config.head.depth` 1 to 4 layers (2 is the paper's default) with BatchNorm. CIFAR-10: batch 128, rate
0.2 sqrt(batch), 64 dimensions, no blur. ImageNet: batch 1024, rate 0.075 sqrt(batch), 128 dimensions. tau 0.2.
Their code adds both directions: `loss_scale` 2. Expected linear accuracy of resnet50:

    CIFAR-10 (Table A.1), batch 128             87.4 91.0 93.0 93.9    after 100, 200, 400, 800 epochs
    ImageNet (Table A.2), batch 1024            65.6 67.6 68.8 69.8
    ImageNet, head of 3 layers (Table A.3)      66.8 68.9 70.1 70.9
"""

from contrastive_jax.configuration import pretraining


def get_config(argument="cifar10,resnet50"):
    config = pretraining("intriguing_nt_xent", argument, optimizer="lars")
    config.epochs = 800.0
    config.augment.crop_scale = (0.08, 1.0)
    if config.network.name == "resnet":
        config.network.residual_scale = 0.0
    config.head.update(
        dim=64,
        depth=2,
        hidden_norm=True,
        output_norm="scale",
        hidden_bias=False,
        output_bias=False,
        kernel="normal",
    )
    config.method.update(tau=0.2, loss_scale=2.0)
    config.batch_size = 128
    config.learning_rate.update(peak=0.2, scaling="sqrt", reference_batch=1)
    config.optimizer.update(momentum=0.9, weight_decay=1e-6, decay="kernels")
    config.schedule.update(warmup_epochs=10.0)
    if argument.startswith("imagenet"):
        config.batch_size = 1024
        config.learning_rate.peak = 0.075
        config.head.dim = 128
        config.augment.update(brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2, blur_probability=(0.5,))
    return config
