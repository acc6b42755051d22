"""One-stage training with ML-CPC's loss between sub-network and backbone (Bae et al. 2021, Sec. 4.6).

    python -m contrastive_jax.main --config=configs/selfcon_1stage_mlcpc.py:cifar100,resnet18 --workdir=runs/mlcpc
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:selfcon --config.pretrained=runs/mlcpc

Recipe, App. B: 500 epochs, batch 512, twice the learning rate of `selfcon_s.py`, head of 128 dimensions; the
backbone's outputs are detached in the loss, which the norm of the backbone's output multiplies. Memory momentum
0.5 and alpha 0.01; temperature and negatives are those of CRD, which the paper does not state. Expected accuracy
of the backbone's own classifier (`accuracy_final` is that of the augmented batch), Table 7 (features) and Table
10 (logits):

    resnet18 features   CIFAR-10 94.87 +- 0.01    CIFAR-100 74.62 +- 0.07    Tiny-ImageNet 57.93 +- 0.07
    resnet18 logits     CIFAR-10 94.45 +- 0.20    CIFAR-100 74.83 +- 0.36    Tiny-ImageNet 58.10 +- 0.06
    resnet50 features   CIFAR-10 94.93 +- 0.03    CIFAR-100 76.75 +- 0.80    Tiny-ImageNet 62.33 +- 0.29
    resnet50 logits     CIFAR-10 95.05 +- 0.23    CIFAR-100 76.47 +- 0.28    Tiny-ImageNet 62.98 +- 0.36

`:dataset,network,logits` compares logits without further heads (App. F) in place of features.
"""

from contrastive_jax.recipes import selfcon


def get_config(argument="cifar100,resnet18,features"):
    return selfcon.one_stage_matching(
        "selfcon_1stage_mlcpc", argument, tau=0.07, alpha=0.01, negatives=16384, memory_momentum=0.5
    )
