"""SelfCon-SU: one view, no labels, positives only among the exits of one image (Bae et al. 2021, App. G).

    python -m contrastive_jax.main --config=configs/selfcon_su.py:cifar100,resnet18 --workdir=runs/selfcon_su
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:selfcon_paper \
        --config.pretrained=runs/selfcon_su

Argument: dataset,network (default cifar100,resnet18).

The paper gives no number: the encoder failed to converge, because two exits that see the same image agree too easily.
Expect features hardly better than those of an untrained encoder. Recipe: that of `selfcon_s.py` with tau 0.5.
"""

from contrastive_jax.config.presets import pretraining, refuse_imagenet
from contrastive_jax.recipes import augmentations, selfcon


def get_config(argument="cifar100,resnet18"):
    refuse_imagenet(argument)
    config = pretraining("selfcon_su", argument, optimizer="sgd", schedule="cosine")
    config.network.update(subnetworks=selfcon.exits(config.network.name), subnetwork="small")
    config.method.update(tau=0.5, loss_scale=0.5 / 0.07)  # the authors' code scales the loss by tau / 0.07
    config.head.update(dim=128, depth=2)
    config.augment.update(augmentations.selfcon())
    config.update(epochs=1000.0, batch_size=256)
    config.learning_rate.update(peak=0.0625, scaling="linear", reference_batch=128)
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    config.schedule.update(per="epoch_end", spans="all_epochs", final_fraction=1e-3)
    return config
