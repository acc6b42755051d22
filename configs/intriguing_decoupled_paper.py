"""Decoupled NT-Xent as the paper writes it (Chen, Luo & Li 2021, Eqs. 3 and 4).

    python -m contrastive_jax.main --config=configs/intriguing_decoupled_paper.py:cifar10,resnet50 --workdir=runs/a
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:simclr_tensorflow --config.pretrained=runs/a

A run on ImageNet is judged by `--config=configs/linear_eval.py:simclr_imagenet`.

Argument: dataset,network (default cifar10,resnet50).

Recipe: App. A.1 and SimCLR's TensorFlow code, which it follows, with the weight decay of its READMEs (1e-6 in the first
version). The learning rate is 0.2 sqrt(batch) on CIFAR-10 and 0.075 sqrt(batch) on ImageNet. `--config.head.depth` 1 to
4 are the paper's heads (2 is its default), and `--config.epochs` 100 to 800 its runs.

The notebook's form (`intriguing_decoupled.py`) divides the alignment by the dimension and has no factor tau: its tau
1.0, lambda 0.1 and factor 1000 are lambda 6.4 and factor 15.625 here (64 dimensions). The body instead has NT-Xent's
point, lambda = tau = 0.2, from which `--config.method.lam` and `--config.method.tau` move. At lambda = tau expect the
accuracies of `intriguing_nt_xent.py`.
"""

from contrastive_jax.config.presets import pretraining
from contrastive_jax.recipes import augmentations


def get_config(argument="cifar10,resnet50"):
    imagenet = argument.startswith("imagenet")
    config = pretraining("intriguing_decoupled_paper", argument, optimizer="lars", schedule="cosine")
    if "residual_scale" in config.network:
        config.network.update(residual_scale=0.0)  # every block of a ResNet starts as the identity
    config.method.update(tau=0.2, lam=0.2, loss_scale=2 / 0.2)  # NT-Xent's factor 2, at lam = tau
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
