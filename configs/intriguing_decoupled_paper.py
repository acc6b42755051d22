"""Decoupled NT-Xent as the paper writes it (Chen, Luo & Li 2021, Eqs. 3 and 4).

    python -m contrastive_jax.main --config=configs/intriguing_decoupled_paper.py:cifar10,resnet50 --workdir=runs/paper
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:simclr --config.pretrained=runs/paper

Recipe: App. A.1 and SimCLR's TensorFlow code, which it follows: LARS, weight decay 1e-6, 10 warm-up epochs, a
head of `--config.head.depth` 1 to 4 layers (2 is the paper's default) with BatchNorm. CIFAR-10: batch 128, rate
0.2 sqrt(batch), 64 dimensions, no blur. ImageNet: batch 1024, rate 0.075 sqrt(batch), 128 dimensions. The
notebook's form (`intriguing_decoupled.py`) divides the alignment by the dimension and has no factor tau: its
tau 1.0, lambda 0.1 and 1000 are lambda 6.4 and 15.6 here (64 dimensions). The default instead is NT-Xent's
point, lambda = tau = 0.2, from which both can be moved. Expected linear accuracy of resnet50:

    At lambda = tau, where it is NT-Xent: as in `intriguing_nt_xent.py`.
"""

from contrastive_jax.recipes import intriguing


def get_config(argument="cifar10,resnet50"):
    scale = 2 / 0.2  # NT-Xent's, see `intriguing_nt_xent.py`
    return intriguing.simclr_tensorflow(
        "intriguing_decoupled_paper", argument, tau=0.2, lam=0.2, loss_scale=scale
    )
