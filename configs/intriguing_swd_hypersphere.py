"""Generalized contrastive loss with a uniform prior on the hypersphere (Chen, Luo & Li 2021, Alg. 1).

    python -m contrastive_jax.main --config=configs/intriguing_swd_hypersphere.py:cifar10,resnet50 --workdir=runs/a
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:simclr_tensorflow --config.pretrained=runs/a

A run on ImageNet is judged by `--config=configs/linear_eval.py:simclr_imagenet`.

Argument: dataset,network (default cifar10,resnet50).

The prior is matched by a sliced Wasserstein distance. The other two are `intriguing_swd.py` (normal) and
`intriguing_swd_hypercube.py`.

Recipe: App. A.1 and SimCLR's TensorFlow code, which it follows, with the weight decay of its READMEs (1e-6 in the first
version). The learning rate is 0.2 sqrt(batch) on CIFAR-10 and 0.075 sqrt(batch) on ImageNet. `--config.head.depth` 1 to
4 are the paper's heads (2 is its default), and `--config.epochs` 100 to 800 its runs. Expected linear accuracy of
resnet50 after 100, 200, 400 and 800 epochs:

                       CIFAR-10 (A.1), batch 128    ImageNet (A.2), batch 1024    the same, 3 layers (A.3)
    hypersphere        87.0 90.9 92.9 93.8          65.8 67.9 69.0 69.6           66.6 68.6 69.8 70.8
"""

from contrastive_jax.config.presets import pretraining
from contrastive_jax.recipes import augmentations


def get_config(argument="cifar10,resnet50"):
    imagenet = argument.startswith("imagenet")
    config = pretraining("intriguing_swd", argument, optimizer="lars", schedule="cosine")
    if "residual_scale" in config.network:
        config.network.update(residual_scale=0.0)  # every block of a ResNet starts as the identity
    config.method.update(prior="hypersphere", lam=5.0, loss_scale=1000.0)  # App. A.1: times 1000 on a sphere
    config.head.update(dim=128 if imagenet else 64, depth=2, hidden_norm=True, output_norm="scale")
    config.head.update(hidden_bias=False, output_bias=False, kernel="normal")
    if imagenet:
        config.augment.update(augmentations.simclr_imagenet())
        config.update(epochs=800.0, batch_size=1024)
        config.learning_rate.update(peak=0.075, scaling="sqrt", reference_batch=1)
    else:
        config.augment.update(augmentations.simclr_cifar_tensorflow())
        config.update(epochs=800.0, batch_size=128)
        config.learning_rate.update(peak=0.2, scaling="sqrt", reference_batch=1)
    config.optimizer.update(momentum=0.9, weight_decay=1e-4, decay="kernels")
    config.schedule.update(warmup_epochs=10.0)
    return config
