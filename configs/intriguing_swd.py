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

from contrastive_jax.recipes import intriguing, third_word


def get_config(argument="cifar10,resnet50"):
    argument, prior = third_word(argument, "normal", "hypercube", "hypersphere")
    scale = 1000.0 if prior == "hypersphere" else 1.0
    return intriguing.simclr_tensorflow("intriguing_swd", argument, prior=prior, lam=5.0, loss_scale=scale)
