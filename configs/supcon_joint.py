"""SupCon with its classifier trained beside it behind a stop-gradient (Khosla et al. 2020, Sec. 4.4).

    python -m contrastive_jax.main --config=configs/supcon_joint.py:cifar10,resnet50 --workdir=runs/joint
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:supcontrast --config.pretrained=runs/joint

Recipe as in `supcon.py`, whose encoder this trains; `accuracy_probe` is the online classifier's accuracy on the
augmented batch. The paper: roughly the accuracy of two stages (Table 2, resnet50 CIFAR-10 96.0, CIFAR-100 76.5).
The classifier's rate and weight decay are the encoder's; `method.probe_scale` scales its rate.
"""

from contrastive_jax.configuration import pretraining


def get_config(argument="cifar10,resnet50"):
    config = pretraining("supcon_joint", argument)
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
