"""SupCon with the sum over positives inside the logarithm (Khosla et al. 2020, Eq. 3, L_in).

    python -m contrastive_jax.main --config=configs/supcon_in.py:cifar10,resnet50 --workdir=runs/in
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:supcontrast --config.pretrained=runs/in

Recipe as in `supcon.py`; only the place of the sum differs. The paper compares the two on ImageNet alone,
resnet50, Table 1: top-1 67.4 for L_in, 78.7 for L_out. It gives no number for CIFAR.
"""

from contrastive_jax.configuration import pretraining


def get_config(argument="cifar10,resnet50"):
    config = pretraining("supcon_in", argument)
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
