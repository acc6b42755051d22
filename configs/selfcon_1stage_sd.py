"""Self-distillation in one stage: sub-networks learn the backbone's softened posterior (Bae et al. 2021, Sec. 4.6).

    python -m contrastive_jax.main --config=configs/selfcon_1stage_sd.py:cifar100,resnet18 --workdir=runs/sd
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:selfcon --config.pretrained=runs/sd

Recipe, App. B: 500 epochs, batch 512, twice the learning rate of `selfcon_s.py`, half cross-entropy and half KL,
the backbone detached. Temperature 3 is the released code's. Expected accuracy of the backbone's own classifier,
Tables 7 and 10:

    resnet18    CIFAR-10 94.85 +- 0.14    CIFAR-100 73.69 +- 0.08    Tiny-ImageNet 58.01 +- 0.04
    resnet50    CIFAR-10 94.97 +- 0.24    CIFAR-100 76.48 +- 0.78    Tiny-ImageNet 61.74 +- 0.44
"""

from contrastive_jax.recipes import selfcon


def get_config(argument="cifar100,resnet18"):
    return selfcon.one_stage("selfcon_1stage_sd", argument, beta=0.5, soft=3.0)
