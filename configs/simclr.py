"""SimCLR: two views, no labels, NT-Xent (Chen et al. 2020), as SupCon's authors ran it beside SupCon.

    python -m contrastive_jax.main --config=configs/simclr.py:cifar10,resnet50 --workdir=runs/simclr
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:simclr --config.pretrained=runs/simclr

Recipe: SupCon's PyTorch code for CIFAR: as `supcon.py` with tau 0.5. Its loss is the mean over anchors times
tau / 0.07 = 7.14, which `loss_scale` keeps because the learning rate was tuned with it. Expected linear accuracy,
SupCon's Table 2, one run:

    resnet50    CIFAR-10 93.6    CIFAR-100 70.7
"""

from contrastive_jax.configuration import pretraining


def get_config(argument="cifar10,resnet50"):
    config = pretraining("simclr", argument)
    config.epochs = 1000.0
    config.batch_size = 1024
    config.method.tau = 0.5
    config.method.loss_scale = 0.5 / 0.07
    config.learning_rate.peak = 0.5
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    config.schedule.update(
        warmup_epochs=10.0, warmup_from=0.01, per="epoch_end", spans="all_epochs", final_fraction=1e-3
    )
    return config
