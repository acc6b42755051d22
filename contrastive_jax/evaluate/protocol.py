"""How linear classifiers are trained on frozen features: the settings in which published protocols differ.

=================  =======================================================================================
SupContrast CIFAR  the defaults, with learning_rates=(5.0,); (1.0,) after SimCLR
SelfCon            learning_rates=(3.0,), schedule=Step((60, 80), 0.1)
MoCo v3 (SDSSL)    90 epochs, batch 1024, (3.0,) scaled linearly, Cosine(per="epoch"), init="normal"
DINO               100 epochs, (0.001,) scaled linearly, Cosine(per="epoch"), init="normal"
MCL, MoCo          batch 256, (30.0,), Step((60, 80), 0.1), init="normal"
SimCLR             (0.1,) scaled linearly, SGD(nesterov=True), Cosine(), init="zeros"
SupCon ImageNet    90 epochs, batch 6144, (0.05,) scaled linearly, RMSProp(weight_decay=1e-6),
                   Exponential(warmup_epochs=12), init="glorot", normalize=True, label_smoothing=0.05
=================  =======================================================================================
"""

import dataclasses

from contrastive_jax.errors import InputError, nearest
from contrastive_jax.train.optimizers import LARS, SGD, AdamW, RMSProp
from contrastive_jax.train.schedules import Constant, Cosine, Exponential, Step

INITS = ("torch", "zeros", "normal", "glorot")
AUGMENTS = ("none", "crop_flip")


@dataclasses.dataclass(frozen=True)
class Protocol:
    """How the classifiers are trained. The defaults are SupContrast's for CIFAR, with a choice of rates."""

    epochs: int = 100
    batch_size: int = 512
    learning_rates: tuple[float, ...] = (0.1, 0.3, 1.0, 3.0, 5.0, 10.0)
    """Candidates, one of which is chosen per exit on a held-out slice of the training set; or just one."""
    lr_scaling: str = "none"
    """`none`, `linear` (lr * batch_size / 256) or `sqrt`."""
    optimizer: SGD | LARS | AdamW | RMSProp = SGD()
    schedule: Constant | Cosine | Step | Exponential = Step(milestones=(60, 75, 90), decay=0.2)
    init: str = "torch"
    """`torch`: kernel and bias uniform in +-1/sqrt(dim); `zeros`; `normal`: 0.01 N(0, 1); `glorot`."""
    normalize: bool = False
    """L2-normalise the features first."""
    label_smoothing: float = 0.0
    augment: str = "none"
    """Augmentation of the training images: `none` or `crop_flip` (resized crop and flip)."""
    crop_scale: tuple[float, ...] = ()
    """Range of the resized crop's area as a fraction of the image's; (): the crops of the pretraining."""
    shuffle: bool = True
    holdout: float = 0.1
    """Share of the training set held out to choose the learning rate."""
    seed: int = 0

    def __post_init__(self):
        for field, value, valid in (("init", self.init, INITS), ("augment", self.augment, AUGMENTS)):
            if value not in valid:
                raise InputError(f"the linear evaluation has no {field} '{value}': {nearest(value, valid)}")
        if not self.learning_rates:
            raise InputError("the linear evaluation needs at least one learning rate in learning_rates.")
