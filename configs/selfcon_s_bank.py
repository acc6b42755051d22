"""SelfCon-S with a memory bank of 1024 earlier outputs (Bae et al. 2021, Sec. 4.2, Table 5).

    python -m contrastive_jax.main --config=configs/selfcon_s_bank.py:cifar100,resnet18 --workdir=runs/bank
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:selfcon --config.pretrained=runs/bank

Recipe as in `selfcon_s.py`. Both exits of 256 images bring 512 rows a step, so the bank holds two batches (the
paper: "the previous batch in a 1024 sized memory bank"). It is for data sets with many classes. Expected linear
accuracy of the backbone on Tiny-ImageNet, Table 5, without and with the bank:

    resnet18    59.30 +- 0.01    60.71 +- 0.15
    resnet50    63.95 +- 0.46    64.97 +- 0.26
"""

from contrastive_jax.configuration import pretraining


def get_config(argument="cifar100,resnet18"):
    config = pretraining("selfcon_s_bank", argument)
    config.epochs = 1000.0
    config.batch_size = 256
    config.network.subnetworks = ("block2",)
    config.network.subnetwork = "small"
    config.method.tau = 0.1
    config.method.loss_scale = 0.1 / 0.07
    config.method.bank_size = 1024
    config.learning_rate.update(peak=0.0625, scaling="linear", reference_batch=128)
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    config.schedule.update(per="epoch_end", spans="all_epochs", final_fraction=1e-3)
    return config
