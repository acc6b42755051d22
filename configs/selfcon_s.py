"""SelfCon-S: one view, contrasted between the exits of the network (Bae et al. 2021, Eq. 3).

    python -m contrastive_jax.main --config=configs/selfcon_s.py:cifar100,resnet18 --workdir=runs/selfcon_s
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:selfcon --config.pretrained=runs/selfcon_s

Recipe: App. B (1000 epochs, batch 256, 0.0625 per 128 images, SGD 0.9, weight decay 1e-4 on everything, tau
0.1, crop / flip / jitter / gray) with the `small` sub-network after block 2 (App. C). Hardware there: four RTX
2080 Ti. Expected linear accuracy of the backbone, Table 1, mean of several seeds:

    resnet18    CIFAR-10 95.43 +- 0.13    CIFAR-100 76.45 +- 0.37    Tiny-ImageNet 59.30 +- 0.01
    resnet50    CIFAR-10 95.97 +- 0.10    CIFAR-100 78.34 +- 0.25    Tiny-ImageNet 63.95 +- 0.46

The authors' released script is of a later version of the paper and differs: `fc` sub-network, batch 1024,
learning rate 0.5 with 10 warm-up epochs from 0.01. Its loss is the mean over anchors times tau / 0.07, which
`loss_scale` keeps; its cosine is per epoch and ends at a thousandth of the peak, which `schedule` keeps.

A run of a few epochs wants a warm-up (`--config.schedule.warmup_epochs=0.5`) and `--config.schedule.per=step`:
without a warm-up the loss may rest for long at its value for equal embeddings, loss_scale * log(anchors - 1).
"""

from contrastive_jax.recipes import selfcon


def get_config(argument="cifar100,resnet18"):
    return selfcon.between_exits("selfcon_s", argument, tau=0.1)
