"""Bae et al. 2021, *Self-Contrastive Learning*, App. C: the block after which the sub-network branches off.

config.network.update(subnetworks=selfcon.exits(config.network.name), subnetwork="small")
"""


def exits(family: str) -> tuple[str, ...]:
    """After block 1 of a WRN or VGG, after block 2 of a ResNet and of networks that the paper does not have.

    family: `wide_resnet`, `vgg`, ...: the field `name` of a config's section `network`.
    """
    return ("block1",) if family in ("wide_resnet", "vgg") else ("block2",)
