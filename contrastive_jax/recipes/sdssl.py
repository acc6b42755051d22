"""Jang et al. 2023, *Self-Distilled Self-Supervised Representation Learning*: the exits that learn from the last one.

config.network.update(subnetworks=sdssl.VIT_EXITS)
"""

VIT_EXITS = tuple(f"layer{number:02d}" for number in range(1, 12))
"""Every layer of a ViT of 12 layers but the last, whose exit every network has."""
RESNET_EXITS = ("block1", "block2", "block3")
"""Every block of a ResNet but the last. The paper has ViTs only."""
