"""SelfCon-M: SupCon on the backbone and alpha times the sub-networks' anchors, two views (Bae et al. 2021, Eq. 2).

    python -m contrastive_jax.main --config=configs/selfcon_m.py:cifar100,resnet18 --workdir=runs/selfcon_m
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:selfcon --config.pretrained=runs/selfcon_m

Recipe as in `selfcon_s.py` (App. B); alpha 1. Expected linear accuracy of the backbone, Table 1:

    resnet18    CIFAR-10 95.06 +- 0.04    CIFAR-100 74.31 +- 0.12    Tiny-ImageNet 58.66 +- 0.54
    resnet50    CIFAR-10 95.72 +- 0.21    CIFAR-100 78.09 +- 0.05    Tiny-ImageNet 63.12 +- 0.11

The released code's `alpha > 0` is this loss, times tau / 0.07; its alpha = 0 is `selfcon_m_joint.py`.
"""

from contrastive_jax.configuration import pretraining


def get_config(argument="cifar100,resnet18"):
    config = pretraining("selfcon_m", argument)
    config.epochs = 1000.0
    config.batch_size = 256
    config.network.subnetworks = ("block2",)
    config.network.subnetwork = "small"
    config.method.tau = 0.1
    config.method.alpha = 1.0
    config.method.loss_scale = 0.1 / 0.07
    config.learning_rate.update(peak=0.0625, scaling="linear", reference_batch=128)
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    config.schedule.update(per="epoch_end", spans="all_epochs", final_fraction=1e-3)
    return config
