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

from contrastive_jax.recipes import intriguing


def get_config(argument="cifar10,resnet50"):
    return intriguing.simclr_tensorflow("intriguing_nt_xent", argument, tau=0.2, loss_scale=2.0)
