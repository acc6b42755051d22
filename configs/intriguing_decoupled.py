"""Decoupled NT-Xent as the authors' notebook computes it (Chen, Luo & Li 2021, Eq. 4).

    python -m contrastive_jax.main --config=configs/intriguing_decoupled.py:cifar10,resnet50 --workdir=runs/decoupled
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:simclr --config.pretrained=runs/decoupled

Recipe: App. A.1 and SimCLR's TensorFlow code, which it follows: LARS, weight decay 1e-6, 10 warm-up epochs, a
head of `--config.head.depth` 1 to 4 layers (2 is the paper's default) with BatchNorm. CIFAR-10: batch 128, rate
0.2 sqrt(batch), 64 dimensions, no blur. ImageNet: batch 1024, rate 0.075 sqrt(batch), 128 dimensions. tau 1.0,
lambda 0.1; the loss times 1000. Expected linear accuracy of resnet50:

    CIFAR-10 (Table A.1), batch 128             87.8 91.0 93.0 94.0    after 100, 200, 400, 800 epochs
    ImageNet (Table A.2), batch 1024            66.0 67.9 69.0 70.1
    ImageNet, head of 3 layers (Table A.3)      66.6 68.9 69.9 70.8
"""

from contrastive_jax.recipes import intriguing


def get_config(argument="cifar10,resnet50"):
    return intriguing.simclr_tensorflow("intriguing_decoupled", argument, tau=1.0, lam=0.1, loss_scale=1000.0)
