"""SupCon with its classifier trained beside it behind a stop-gradient (Khosla et al. 2020, Sec. 4.4).

    python -m contrastive_jax.main --config=configs/supcon_joint.py:cifar10,resnet50 --workdir=runs/joint
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:supcontrast --config.pretrained=runs/joint

Recipe as in `supcon.py`, whose encoder this trains; `accuracy_probe` is the online classifier's accuracy on the
augmented batch. The paper: roughly the accuracy of two stages (Table 2, resnet50 CIFAR-10 96.0, CIFAR-100 76.5).
The classifier's rate and weight decay are the encoder's; `method.probe_scale` scales its rate.
"""

from contrastive_jax.recipes import supcon


def get_config(argument="cifar10,resnet50"):
    return supcon.contrastive("supcon_joint", argument, tau=0.1)
