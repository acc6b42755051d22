"""SelfCon-S: one view, contrasted between the exits of the network (Bae et al. 2021, Eq. 3).

    python -m contrastive_jax.main --config=configs/selfcon_s.py:cifar100,resnet18 --workdir=runs/selfcon_s
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:selfcon_paper \
        --config.pretrained=runs/selfcon_s

Argument: dataset,network (default cifar100,resnet18).

Recipe: App. B, with the `small` sub-network after block 2 of a ResNet and after block 1 of a WRN or VGG (App. C). The
authors used four RTX 2080 Ti. Expected linear accuracy of the backbone, Tables 1 and 2, mean of several seeds:

    resnet18    CIFAR-10 95.43 +- 0.13    CIFAR-100 76.45 +- 0.37    Tiny-ImageNet 59.30 +- 0.01
    resnet50    CIFAR-10 95.97 +- 0.10    CIFAR-100 78.34 +- 0.25    Tiny-ImageNet 63.95 +- 0.46
    wrn_16_8    CIFAR-10 95.31 +- 0.02    CIFAR-100 77.06 +- 0.17    Tiny-ImageNet 58.39 +- 0.39
    vgg16_bn    CIFAR-10 93.74 +- 0.13    CIFAR-100 71.87 +- 0.25    Tiny-ImageNet 58.61 +- 0.36

The authors' script was released with a later version of the paper and differs: `fc` sub-network, batch 1024, learning
rate 0.5 with 10 warm-up epochs from 0.01. Three things here come from it: the factor tau / 0.07 on the loss, a cosine
per epoch that ends at a thousandth of the peak, and a head whose hidden layer is as wide as the representation: the
paper says 128 dimensions, but its count of parameters (Table 6) is that of the wide layer. The second command is the
paper's linear protocol; the script's is `linear_eval.py:selfcon`.

On ImageNet (`:imagenet,resnet34`) the recipe is that of the authors' ImageNet script: `same` sub-network, batch 2048,
800 epochs, judged with `linear_eval.py:selfcon_imagenet`. Our version of the paper has no number for it.

A run of a few epochs needs `--config.schedule.warmup_epochs=0.5 --config.schedule.per=step`: without a warm-up the loss
can stay for long at its value for equal embeddings, loss_scale * log(anchors - 1).
"""

from contrastive_jax.config.presets import pretraining
from contrastive_jax.recipes import augmentations, selfcon


def get_config(argument="cifar100,resnet18"):
    imagenet = argument.startswith("imagenet")
    config = pretraining("selfcon_s", argument, optimizer="sgd", schedule="cosine")
    config.network.update(subnetworks=selfcon.exits(config.network.name))
    config.network.update(subnetwork="same" if imagenet else "small")
    config.method.update(tau=0.1, loss_scale=0.1 / 0.07)  # the authors' code scales the loss by tau / 0.07
    config.head.update(dim=128, depth=2)
    config.augment.update(augmentations.selfcon())
    if imagenet:
        config.update(epochs=800.0, batch_size=2048)
        config.learning_rate.update(peak=0.25, scaling="none")
        config.schedule.update(warmup_epochs=10.0, warmup_from=0.01)
    else:
        config.update(epochs=1000.0, batch_size=256)
        config.learning_rate.update(peak=0.0625, scaling="linear", reference_batch=128)
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    config.schedule.update(per="epoch_end", spans="all_epochs", final_fraction=1e-3)
    return config
