"""MCL: networks that learn together with labels, class-aware batches (Yang et al. 2022, Eq. 8).

    python -m contrastive_jax.main --config=configs/mcl.py:cifar100,cifar_resnet32 --workdir=runs/mcl
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py --config.pretrained=runs/mcl

Recipe: the authors' CIFAR code: 300 epochs, batches of 64 classes x 2 images, learning rate 0.1 with a cosine per
epoch, SGD with Nesterov momentum 0.9, weight decay 5e-4 on everything, padding crop and flip, tau 0.1. Two networks
share nothing; four share the first block: `--config.method.networks=4 --config.method.shared=block1`. Hardware
there: one RTX 3090. Expected accuracy on CIFAR-100 of the best network with its own classifier, Table 3, mean of
three runs (at the best test epoch, as their code has it):

                        one alone       MCL(x2)         MCL(x4)
    cifar_resnet32      70.91 +- 0.14   72.96 +- 0.28   74.04 +- 0.07
    cifar_resnet110     75.29 +- 0.16   77.12 +- 0.20   78.82 +- 0.14
    wrn_16_2            72.55 +- 0.24   74.56 +- 0.11   75.79 +- 0.07
    shufflenet_v2_1x    70.93 +- 0.24   73.26 +- 0.18   75.18 +- 0.25

`--config.method.distillation=ensemble` adds logit distillation (Table 1: WRN-16-2 x4 76.34). CIFAR-10 has too few
classes for such a batch: `--config.sampler.per_class=16`, for example. `--config.method.name=mcl_sharded
--config.cohort_devices=2` spreads the networks over two groups of devices, with the same numbers. Comparators: set
the weights `vcl`, `soft_vcl`, `icl`, `soft_icl` to 0 and `distillation` to `deep_mutual` (DML), `collaborative` (CL)
or `ensemble`.
"""

from contrastive_jax.config.presets import pretraining
from contrastive_jax.recipes import augmentations as recipes


def get_config(argument="cifar100,cifar_resnet32"):
    config = pretraining("mcl", argument, sampler="class_aware")
    config.epochs = 300.0
    config.batch_size = 128
    config.head.update(dim=128, depth=2, hidden=128)
    config.augment.update(recipes.mcl_cifar())
    config.learning_rate.peak = 0.1
    config.optimizer.update(momentum=0.9, nesterov=True, weight_decay=5e-4, decay="all")
    config.schedule.update(per="epoch")
    return config
