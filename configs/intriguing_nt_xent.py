"""NT-Xent, the standard member of the generalized family (Chen, Luo & Li 2021, Eq. 1).

    python -m contrastive_jax.main --config=configs/intriguing_nt_xent.py:cifar10,resnet50 --workdir=runs/a
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:simclr_tensorflow --config.pretrained=runs/a

A run on ImageNet is judged by `--config=configs/linear_eval.py:simclr_imagenet`.

Argument: dataset,network (default cifar10,resnet50).

Recipe: App. A.1 and SimCLR's TensorFlow code, which it follows, with the weight decay of its READMEs (1e-6 in the first
version). The learning rate is 0.2 sqrt(batch) on CIFAR-10 and 0.075 sqrt(batch) on ImageNet. `--config.head.depth` 1 to
4 are the paper's heads (2 is its default), and `--config.epochs` 100 to 800 its runs. Expected linear accuracy of
resnet50:

    CIFAR-10 (Table A.1), batch 128             87.4 91.0 93.0 93.9    after 100, 200, 400, 800 epochs
    ImageNet (Table A.2), batch 1024            65.6 67.6 68.8 69.8
    ImageNet, head of 3 layers (Table A.3)      66.8 68.9 70.1 70.9
"""

from contrastive_jax.config.presets import pretraining
from contrastive_jax.recipes import augmentations


def get_config(argument="cifar10,resnet50"):
    imagenet = argument.startswith("imagenet")
    config = pretraining("intriguing_nt_xent", argument, optimizer="lars", schedule="cosine")
    if "residual_scale" in config.network:
        config.network.update(residual_scale=0.0)  # every block of a ResNet starts as the identity
    config.method.update(tau=0.2, loss_scale=2.0)  # their code adds both directions
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
