"""SelfCon-S with a memory bank of 1024 earlier outputs (Bae et al. 2021, Sec. 4.2, Table 5).

    python -m contrastive_jax.main --config=configs/selfcon_s_bank.py:cifar100,resnet18 --workdir=runs/bank
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:selfcon --config.pretrained=runs/bank

Recipe as in `selfcon_s.py`. Both exits of 256 images bring 512 rows a step, so the bank holds two batches (the
paper: "the previous batch in a 1024 sized memory bank"). It is for data sets with many classes. Expected linear
accuracy of the backbone on Tiny-ImageNet, Table 5, without and with the bank:

    resnet18    59.30 +- 0.01    60.71 +- 0.15
    resnet50    63.95 +- 0.46    64.97 +- 0.26
"""

from contrastive_jax.recipes import selfcon


def get_config(argument="cifar100,resnet18"):
    return selfcon.between_exits("selfcon_s_bank", argument, tau=0.1, bank_size=1024)
