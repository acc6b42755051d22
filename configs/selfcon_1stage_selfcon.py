"""One-stage training with the SelfCon loss between sub-network and backbone (Bae et al. 2021, Sec. 4.6).

    python -m contrastive_jax.main --config=configs/selfcon_1stage_selfcon.py:cifar100,resnet18 --workdir=runs/selfcon
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:selfcon --config.pretrained=runs/selfcon

Recipe, App. B: 500 epochs, batch 512, twice the learning rate of `selfcon_s.py`, head of 128 dimensions; the
backbone's outputs are detached in the loss, which the norm of the backbone's output multiplies. tau is 3.
Expected accuracy of the backbone's own classifier (`accuracy_final` is that of the augmented batch), Table 7
(features) and Table 10 (logits):

    resnet18 features   CIFAR-10 94.66 +- 0.17    CIFAR-100 74.24 +- 0.17    Tiny-ImageNet 57.87 +- 0.19
    resnet18 logits     CIFAR-10 94.74 +- 0.02    CIFAR-100 74.59 +- 0.05    Tiny-ImageNet 58.18 +- 0.56
    resnet50 features   CIFAR-10 95.03 +- 0.17    CIFAR-100 76.44 +- 0.02    Tiny-ImageNet 63.31 +- 0.01
    resnet50 logits     CIFAR-10 95.07 +- 0.32    CIFAR-100 76.54 +- 0.73    Tiny-ImageNet 61.98 +- 0.15

`:dataset,network,logits` compares logits without further heads (App. F) in place of features.
"""

from contrastive_jax.recipes import selfcon


def get_config(argument="cifar100,resnet18,features"):
    return selfcon.one_stage_matching("selfcon_1stage_selfcon", argument, tau=3.0)
