"""Triplets in SupCon's framework (Khosla et al. 2020, Sec. 8): one positive, one negative, no mining.

    python -m contrastive_jax.main --config=configs/supcon_triplet.py:cifar10,resnet50 --workdir=runs/triplet
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:supcontrast --config.pretrained=runs/triplet

To first order a triplet loss with margin 2 tau. The paper derives it as a special case and trains none, so there
is no number to expect; recipe as in `supcon.py`.
"""

from contrastive_jax.configuration import pretraining


def get_config(argument="cifar10,resnet50"):
    config = pretraining("supcon_triplet", argument)
    config.epochs = 1000.0
    config.batch_size = 1024
    config.method.tau = 0.1
    config.method.loss_scale = 0.1 / 0.07
    config.learning_rate.peak = 0.5
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    config.schedule.update(
        warmup_epochs=10.0, warmup_from=0.01, per="epoch_end", spans="all_epochs", final_fraction=1e-3
    )
    return config
