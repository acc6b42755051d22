"""One-stage training with CRD's loss between sub-network and backbone (Bae et al. 2021, Sec. 4.6).

    python -m contrastive_jax.main --config=configs/selfcon_1stage_crd.py:cifar100,resnet18 --workdir=runs/crd
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:selfcon --config.pretrained=runs/crd

Recipe, App. B: 500 epochs, batch 512, twice the learning rate of `selfcon_s.py`, head of 128 dimensions; the
backbone's outputs are detached in the loss, which the norm of the backbone's output multiplies. Memory momentum
0.5. Temperature 0.07 and 16384 negatives are CRD's; its negatives of other classes only are not kept: they are
uniform here. Expected accuracy of the backbone's own classifier (`accuracy_final` is that of the augmented
batch), Table 7 (features) and Table 10 (logits):

    resnet18 features   CIFAR-10 94.71 +- 0.04    CIFAR-100 74.05 +- 0.35    Tiny-ImageNet 58.20 +- 0.40
    resnet18 logits     CIFAR-10 94.80 +- 0.04    CIFAR-100 74.72 +- 0.38    Tiny-ImageNet 57.97 +- 0.25
    resnet50 features   CIFAR-10 95.20 +- 0.03    CIFAR-100 75.86 +- 0.09    Tiny-ImageNet 62.72 +- 0.18
    resnet50 logits     CIFAR-10 95.18 +- 0.03    CIFAR-100 75.15 +- 0.13    Tiny-ImageNet 62.23 +- 1.01

`:dataset,network,logits` compares logits without further heads (App. F) in place of features.
"""

from contrastive_jax.recipes import selfcon


def get_config(argument="cifar100,resnet18,features"):
    return selfcon.one_stage_matching(
        "selfcon_1stage_crd", argument, beta=0.8, tau=0.07, negatives=16384, memory_momentum=0.5
    )
