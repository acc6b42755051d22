"""SelfCon-S with a memory bank of 1024 earlier outputs (Bae et al. 2021, Sec. 4.2, Table 5).

    python -m contrastive_jax.main --config=configs/selfcon_s_bank.py:cifar100,resnet18 --workdir=runs/bank
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:selfcon_paper --config.pretrained=runs/bank

Argument: dataset,network (default cifar100,resnet18).

Recipe: that of `selfcon_s.py`. The two exits of 256 images add 512 rows per step, so the bank holds two batches (the
paper: "the previous batch in a 1024 sized memory bank"). The bank is meant for data sets with many classes. Expected
linear accuracy of the backbone on Tiny-ImageNet, Table 5, without and with the bank:

    resnet18    59.30 +- 0.01    60.71 +- 0.15
    resnet50    63.95 +- 0.46    64.97 +- 0.26
"""

from contrastive_jax.config.presets import pretraining, refuse_imagenet
from contrastive_jax.recipes import augmentations, selfcon


def get_config(argument="cifar100,resnet18"):
    refuse_imagenet(argument)
    config = pretraining("selfcon_s_bank", argument, optimizer="sgd", schedule="cosine")
    config.network.update(subnetworks=selfcon.exits(config.network.name), subnetwork="small")
    config.method.update(tau=0.1, loss_scale=0.1 / 0.07)  # the authors' code scales the loss by tau / 0.07
    config.method.update(bank_size=1024)
    config.head.update(dim=128, depth=2)
    config.augment.update(augmentations.selfcon())
    config.update(epochs=1000.0, batch_size=256)
    config.learning_rate.update(peak=0.0625, scaling="linear", reference_batch=128)
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    config.schedule.update(per="epoch_end", spans="all_epochs", final_fraction=1e-3)
    return config
