"""MCL with a memory bank, for data sets with more classes than a batch can hold twice (Yang et al. 2022, Fig. 3).

    python -m contrastive_jax.main --config=configs/mcl_bank.py:imagenet,resnet18 --workdir=runs/mcl_bank
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py --config.pretrained=runs/mcl_bank

Recipe: the authors' ImageNet code: 90 epochs, batch 256, learning rate 0.1 divided by 10 at epochs 30 and 60, SGD
0.9, weight decay 1e-4, crop and flip, tau 0.07, 1 positive and 8192 negatives from the bank. Four networks share
everything up to the second block: `--config.method.networks=4 --config.method.shared=block2`. Hardware there: V100.
Expected top-1 on ImageNet of the best network with its own classifier, Table 4:

                one alone   MCL(x2)   MCL(x4)
    resnet18    69.76       70.32     70.77
    resnet34    73.30       74.13     74.34
"""

from contrastive_jax.config.presets import pretraining
from contrastive_jax.recipes import augment_as
from contrastive_jax.recipes import augmentations as recipes


def get_config(argument="imagenet,resnet18"):
    config = pretraining("mcl_bank", argument, schedule="step")
    config.epochs = 90.0
    config.batch_size = 256
    config.head.update(dim=128, depth=2, hidden=128)
    augment_as(config, recipes.mcl_imagenet())
    config.learning_rate.peak = 0.1
    config.optimizer.update(momentum=0.9, weight_decay=1e-4, decay="all")
    config.schedule.update(milestones=(30, 60), decay=0.1)
    return config
