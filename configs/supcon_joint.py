"""SupCon with its linear classifier trained alongside, after a stop-gradient (Khosla et al. 2020, Sec. 4.5).

    python -m contrastive_jax.main --config=configs/supcon_joint.py:cifar10,resnet50 --workdir=runs/joint
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:supcontrast --config.pretrained=runs/joint

Argument: dataset,network (default cifar10,resnet50).

Recipe: that of `supcon.py`. The encoder learns as it does there; the classifier uses the same learning rate and weight
decay, and `--config.method.probe_scale` scales its rate. `accuracy_probe` is the classifier's accuracy on the augmented
batch, and the second command prints that on the test set. The paper reports roughly the accuracy of two-stage training
(Table 2, resnet50: CIFAR-10 96.0, CIFAR-100 76.5). On ImageNet: `supcon_imagenet.py` with
`--config.method.name=supcon_joint`.
"""

from contrastive_jax.config.presets import pretraining, refuse_imagenet
from contrastive_jax.recipes import augmentations


def get_config(argument="cifar10,resnet50"):
    refuse_imagenet(argument, instead="supcon_imagenet.py --config.method.name=supcon_joint")
    config = pretraining("supcon_joint", argument, optimizer="sgd", schedule="cosine")
    config.method.update(tau=0.1, loss_scale=0.1 / 0.07)  # the authors' code scales the loss by tau / 0.07
    config.method.update(probe_scale=1.0)
    config.head.update(dim=128, depth=2)
    config.augment.update(augmentations.supcon_cifar())
    config.update(epochs=1000.0, batch_size=1024)
    config.learning_rate.update(peak=0.5, scaling="none")
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    config.schedule.update(warmup_epochs=10.0, warmup_from=0.01)
    config.schedule.update(per="epoch_end", spans="all_epochs", final_fraction=1e-3)
    return config
