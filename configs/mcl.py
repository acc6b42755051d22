"""MCL: networks that learn together with labels, on class-aware batches (Yang et al. 2022, Eq. 8).

    python -m contrastive_jax.main --config=configs/mcl.py:cifar100,cifar_resnet32 --workdir=runs/mcl
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:own --config.pretrained=runs/mcl

Argument: dataset,network (default cifar100,cifar_resnet32).

Recipe: the authors' CIFAR code at the paper's temperature (its command trains at 0.07); ImageNet has a recipe of its
own, `mcl_bank.py`. The batch has 64 classes with two images each. Two networks share nothing; four share
the first block (`--config.method.networks=4 --config.method.shared=block1`). The authors used one RTX 3090. Expected
accuracy on CIFAR-100 of the best network with its own classifier, Table 3, mean of three runs (at the best test epoch,
as in their code):

                        one alone       MCL(x2)         MCL(x4)
    cifar_resnet32      70.91 +- 0.14   72.96 +- 0.28   74.04 +- 0.07
    cifar_resnet110     75.29 +- 0.16   77.12 +- 0.20   78.82 +- 0.14
    wrn_16_2            72.55 +- 0.24   74.56 +- 0.11   75.79 +- 0.07
    shufflenet_v2_1x    70.93 +- 0.24   73.26 +- 0.18   75.18 +- 0.25

One network alone is `--config.method.networks=1` with the four weights below at 0. Its batches are class-aware too: the
authors' script for it trains two such networks side by side, and their code then takes the better one.

Table 1 adds logit distillation to four networks, into the last one only: `--config.method.networks=4
--config.method.shared=block1 --config.method.distillation=ensemble_last` (wrn_16_2 76.34 +- 0.22). The authors' code
does so with more than two networks; with two it is `--config.method.distillation=ensemble`. For comparators, set the
weights `vcl`, `soft_vcl`, `icl` and `soft_icl` to 0 and `distillation` to `deep_mutual` (DML), `collaborative` (CL) or
`ensemble`. CIFAR-10 has too few classes for such a batch: set `--config.sampler.per_class=16`, for example.
`--config.method.name=mcl_sharded --config.cohort_devices=2` spreads the networks over two groups of devices and gives
the same numbers.
"""

from contrastive_jax.config.presets import pretraining, refuse_imagenet
from contrastive_jax.recipes import augmentations


def get_config(argument="cifar100,cifar_resnet32"):
    refuse_imagenet(argument, instead="mcl_bank.py")
    config = pretraining("mcl", argument, optimizer="sgd", schedule="cosine", sampler="class_aware")
    config.sampler.update(per_class=2)
    config.method.update(networks=2, shared="", tau=0.1, soft=3.0)
    config.method.update(cross_entropy=1.0, vcl=0.1, soft_vcl=1.0, icl=0.1, soft_icl=1.0)
    config.head.update(dim=128, depth=2, hidden=128)
    config.augment.update(augmentations.mcl_cifar())
    config.update(epochs=300.0, batch_size=128)
    config.learning_rate.update(peak=0.1, scaling="none")
    config.optimizer.update(momentum=0.9, nesterov=True, weight_decay=5e-4, decay="all")
    config.schedule.update(per="epoch")
    return config
