"""MCL with a memory bank, for more classes than a batch can hold twice (Yang et al. 2022, Fig. 3).

    python -m contrastive_jax.main --config=configs/mcl_bank.py:imagenet,resnet18 --workdir=runs/mcl_bank
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py --config.pretrained=runs/mcl_bank

Argument: dataset,network (default imagenet,resnet18).

Recipe: the authors' ImageNet code, whose SGD is Nesterov's; the paper says SGD. Two networks share nothing; more share
everything up to the second block (`--config.method.networks=4 --config.method.shared=block2`). The authors used one
V100. Expected top-1 on ImageNet of the best network with its own classifier, mean of three runs, Table 4:

                one alone   MCL(x2)   MCL(x4)
    resnet18    69.76       70.32     70.77
    resnet34    73.30       74.13     74.34

Three networks of resnet18 that also learn from each other's logits, Table 2 (`--config.method.networks=3
--config.method.shared=block2`, for DML and CL with the weights `vcl`, `soft_vcl`, `icl` and `soft_icl` at 0):

    DML                  69.82 +- 0.08    --config.method.distillation=deep_mutual
    CL                   70.04 +- 0.05    --config.method.distillation=collaborative
    MCL(x3) and logits   70.82 +- 0.06    --config.method.distillation=ensemble_last

The paper took some of the comparators from Wu and Gong (2021). The last row is the code's form, in which the last
network alone learns from the mean of the logits. The code's ImageNet script sends a gradient into that mean; here it is
detached, as in the code's CIFAR script.
"""

from contrastive_jax.config.presets import pretraining
from contrastive_jax.recipes import augmentations


def get_config(argument="imagenet,resnet18"):
    config = pretraining("mcl_bank", argument, optimizer="sgd", schedule="step")
    config.method.update(networks=2, shared="", tau=0.07, soft=3.0)
    config.method.update(cross_entropy=1.0, vcl=0.1, soft_vcl=1.0, icl=0.1, soft_icl=1.0)
    config.method.update(distillation="none", distillation_weight=1.0)
    config.method.update(positives=1, negatives=8192, memory_momentum=0.5)
    config.head.update(dim=128, depth=2, hidden=128)
    config.augment.update(augmentations.mcl_imagenet())
    config.update(epochs=90.0, batch_size=256)
    config.learning_rate.update(peak=0.1, scaling="none")
    config.optimizer.update(momentum=0.9, nesterov=True, weight_decay=1e-4, decay="all")
    config.schedule.update(milestones=(30, 60), decay=0.1)
    return config
