"""SelfCon-SU: one view, no labels, the image's other exits its only positives (Bae et al. 2021, App. G).

    python -m contrastive_jax.main --config=configs/selfcon_su.py:cifar100,resnet18 --workdir=runs/selfcon_su
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:selfcon --config.pretrained=runs/selfcon_su

The paper gives no number: the encoder failed to converge, since two exits that see the same image agree too
easily. Expect features hardly better than an untrained encoder's. Recipe as in `selfcon_s.py` with tau 0.5.
"""

from contrastive_jax.configuration import pretraining


def get_config(argument="cifar100,resnet18"):
    config = pretraining("selfcon_su", argument)
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
