"""What SelfCon's released code calls SelfCon-M at alpha = 0: all exits of both views in one SupCon.

    python -m contrastive_jax.main --config=configs/selfcon_m_joint.py:cifar100,resnet18 --workdir=runs/m_joint
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:selfcon --config.pretrained=runs/m_joint

Not the paper's Eq. 2 (`selfcon_m.py`), and without a published number of its own. Recipe as in `selfcon_s.py`.
"""

from contrastive_jax.configuration import pretraining


def get_config(argument="cifar100,resnet18"):
    config = pretraining("selfcon_m_joint", argument)
    config.epochs = 1000.0
    config.batch_size = 256
    config.network.subnetworks = ("block2",)
    config.network.subnetwork = "small"
    config.method.tau = 0.1
    config.method.loss_scale = 0.1 / 0.07
    config.learning_rate.update(peak=0.0625, scaling="linear", reference_batch=128)
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    config.schedule.update(per="epoch_end", spans="all_epochs", final_fraction=1e-3)
    return config
