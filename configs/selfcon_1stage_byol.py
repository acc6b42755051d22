"""One-stage training with BYOL's loss between sub-network and backbone (Bae et al. 2021, Sec. 4.6).

    python -m contrastive_jax.main --config=configs/selfcon_1stage_byol.py:cifar100,resnet18 --workdir=runs/byol
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:selfcon --config.pretrained=runs/byol

Recipe, App. B: 500 epochs, batch 512, twice the learning rate of `selfcon_s.py`, head of 128 dimensions; the
backbone's outputs are detached in the loss, which the norm of the backbone's output multiplies. Expected accuracy
of the backbone's own classifier (`accuracy_final` is that of the augmented batch), Table 7 (features) and Table
10 (logits):

    resnet18 features   CIFAR-10 94.58 +- 0.01    CIFAR-100 74.18 +- 0.05    Tiny-ImageNet 58.28 +- 0.16
    resnet18 logits     CIFAR-10 94.73 +- 0.13    CIFAR-100 73.98 +- 0.56    Tiny-ImageNet 58.57 +- 0.07
    resnet50 features   CIFAR-10 94.95 +- 0.01    CIFAR-100 75.18 +- 0.62    Tiny-ImageNet 63.54 +- 0.36
    resnet50 logits     CIFAR-10 94.84 +- 0.07    CIFAR-100 75.38 +- 0.64    Tiny-ImageNet 62.57 +- 0.14

`:dataset,network,logits` compares logits without further heads (App. F) in place of features.
"""

from contrastive_jax.recipes import selfcon


def get_config(argument="cifar100,resnet18,features"):
    return selfcon.one_stage_matching("selfcon_1stage_byol", argument)
