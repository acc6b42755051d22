"""One-stage training with CompRess' loss between sub-network and backbone (Bae et al. 2021, Sec. 4.6).

    python -m contrastive_jax.main --config=configs/selfcon_1stage_compress.py:cifar100,resnet18 --workdir=runs/compress
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:selfcon --config.pretrained=runs/compress

Recipe, App. B: 500 epochs, batch 512, twice the learning rate of `selfcon_s.py`, head of 128 dimensions; the
backbone's outputs are detached in the loss, which the norm of the backbone's output multiplies. Temperature 0.04
is CompRess' own; its queue of 128000 is for ImageNet, and SelfCon states none: 16384 here. Expected accuracy of
the backbone's own classifier (`accuracy_final` is that of the augmented batch), Table 7 (features) and Table 10
(logits):

    resnet18 features   CIFAR-10 94.30 +- 0.06    CIFAR-100 74.34 +- 0.02    Tiny-ImageNet 58.34 +- 0.07
    resnet18 logits     CIFAR-10 94.66 +- 0.18    CIFAR-100 73.77 +- 0.08    Tiny-ImageNet 58.00 +- 0.03
    resnet50 features   CIFAR-10 94.83 +- 0.01    CIFAR-100 76.80 +- 0.62    Tiny-ImageNet 62.33 +- 0.37
    resnet50 logits     CIFAR-10 95.06 +- 0.02    CIFAR-100 75.93 +- 0.68    Tiny-ImageNet 62.83 +- 0.24

`:dataset,network,logits` compares logits without further heads (App. F) in place of features.
"""

from contrastive_jax.recipes import selfcon


def get_config(argument="cifar100,resnet18,features"):
    return selfcon.one_stage_matching("selfcon_1stage_compress", argument, tau=0.04, queue_size=16384)
