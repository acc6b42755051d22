"""N-pairs in SupCon's framework (Khosla et al. 2020, Sec. 4.1 and Eq. 27).

    python -m contrastive_jax.main --config=configs/supcon_n_pairs.py:cifar10,resnet50 --workdir=runs/n_pairs
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:supcontrast --config.pretrained=runs/n_pairs

One view, no temperature, and a single positive: another image of the class. The paper trained it on ImageNet with
resnet50 and batch 6144: top-1 57.4, against 78.7 for SupCon. No number for CIFAR; recipe as in `supcon.py`, where
the batch of 1024 gives nearly every image of CIFAR a partner.
"""

from contrastive_jax.configuration import pretraining


def get_config(argument="cifar10,resnet50"):
    config = pretraining("supcon_n_pairs", argument)
    config.epochs = 1000.0
    config.batch_size = 1024
    config.method.tau = 1.0
    config.method.views = 1
    config.learning_rate.peak = 0.5
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    config.schedule.update(
        warmup_epochs=10.0, warmup_from=0.01, per="epoch_end", spans="all_epochs", final_fraction=1e-3
    )
    return config
