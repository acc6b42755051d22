"""What SelfCon's released code calls SelfCon-MU at alpha = 0: each view an instance of its own.

    python -m contrastive_jax.main --config=configs/selfcon_mu_joint.py:cifar100,resnet18 --workdir=runs/mu_joint
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:selfcon --config.pretrained=runs/mu_joint

Not the paper's Eq. 6 (`selfcon_mu.py`), and without a published number: the other view of an image is a negative
here. Recipe as in `selfcon_s.py` with tau 0.5.
"""

from contrastive_jax.configuration import pretraining


def get_config(argument="cifar100,resnet18"):
    config = pretraining("selfcon_mu_joint", argument)
    config.epochs = 1000.0
    config.batch_size = 256
    config.network.subnetworks = ("block2",)
    config.network.subnetwork = "small"
    config.method.tau = 0.5
    config.method.loss_scale = 0.5 / 0.07
    config.learning_rate.update(peak=0.0625, scaling="linear", reference_batch=128)
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    config.schedule.update(per="epoch_end", spans="all_epochs", final_fraction=1e-3)
    return config
