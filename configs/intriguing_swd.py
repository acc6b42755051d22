"""Generalized contrastive loss with a sliced Wasserstein distance to a prior (Chen, Luo & Li 2021, Alg. 1).

    python -m contrastive_jax.main --config=configs/intriguing_swd.py:cifar10,resnet50,hypersphere --workdir=runs/swd
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:simclr --config.pretrained=runs/swd

The third word names the prior: `normal` (the default), `hypercube` or `hypersphere`.

Recipe: App. A.1 and SimCLR's TensorFlow code, which it follows: LARS, weight decay 1e-6, 10 warm-up epochs, a
head of `--config.head.depth` 1 to 4 layers (2 is the paper's default) with BatchNorm. CIFAR-10: batch 128, rate
0.2 sqrt(batch), 64 dimensions, no blur. ImageNet: batch 1024, rate 0.075 sqrt(batch), 128 dimensions. lambda 5;
the loss times 1000 where embeddings are normalised (hypersphere). Expected linear accuracy of resnet50:

                       CIFAR-10 (A.1), batch 128    ImageNet (A.2), batch 1024    the same, 3 layers (A.3)
    normal             86.3 90.5 92.8 93.8          65.0 67.1 68.2 69.3           66.6 68.8 70.1 71.1
    hypercube          85.1 90.1 92.6 93.4          64.2 66.4 67.9 68.9           66.3 68.5 70.0 71.3
    hypersphere        87.0 90.9 92.9 93.8          65.8 67.9 69.0 69.6           66.6 68.6 69.8 70.8
    after 100, 200, 400 and 800 epochs
"""

from contrastive_jax.configuration import pretraining


def get_config(argument="cifar10,resnet50"):
    prior = (argument.split(",")[2:] or ["normal"])[0]
    config = pretraining("intriguing_swd", argument, optimizer="lars")
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
    config.method.update(prior=prior, lam=5.0, loss_scale=1000.0 if prior == "hypersphere" else 1.0)
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
