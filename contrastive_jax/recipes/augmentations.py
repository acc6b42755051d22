"""Published augmentation recipes by name: values for a config's section `augment`.

    config.augment.update(augmentations.moco_v3())

A recipe sets everything about crops, flips and colors, and switches off what it does not use. `size`,
`center_fraction`, `mean` and `std` come from the data set's preset (`config/presets.py`), so a recipe published for
ImageNet also fits small images.
Where the authors' code and their paper differ, the recipe follows the code.
"""

from typing import Any

Fields = dict[str, Any]

CUBIC = dict(interpolation="bicubic", antialias=False)
"""How SimCLR's TensorFlow code resizes."""


def crop_flip(scale: tuple[float, float] = (0.2, 1.0)) -> Fields:
    """Resized crop and flip: for the linear classifiers of SupContrast and SelfCon, and for images without colors."""
    return dict(
        crop_scale=scale,
        crop_ratio=(3 / 4, 4 / 3),
        interpolation="bilinear",
        antialias=True,
        pad=0,
        flip=0.5,
        rotation=0.0,
        jitter_probability=0.0,
        policy="none",
        gray_probability=0.0,
        warp_probability=0.0,
        blur_probability=(0.0,),
        solarize_probability=(0.0,),
        cutout=0,
        erase_probability=0.0,
        random_bits=0,
        mixup=0.0,
        cutmix=0.0,
        extra_views=(),
        extra_sizes=(),
        extra_scales=(),
    )


def pad_flip(pad: int = 4) -> Fields:
    """A crop of the padded image, and a flip: the usual recipe for classification on CIFAR."""
    return crop_flip() | dict(crop_scale=(1.0, 1.0), crop_ratio=(1.0, 1.0), pad=pad)


def simclr_cifar() -> Fields:
    """SupContrast, main_supcon.py: SimCLR and SupCon on CIFAR. These are the defaults of `Recipe`."""
    return crop_flip() | _jitter(0.4, 0.4, 0.4, 0.1)


supcon_cifar = simclr_cifar


def simclr_cifar_tensorflow() -> Fields:
    """SimCLR's README for CIFAR-10: jitter of strength 0.5, no blur, crops from 8% of the area, bicubic resizing."""
    return crop_flip((0.08, 1.0)) | _jitter(0.4, 0.4, 0.4, 0.1) | CUBIC


def simclr_imagenet() -> Fields:
    """SimCLR (Chen et al. 2020, App. A) and its code: strength 1, blur on half of the views, bicubic resizing."""
    return _simclr() | CUBIC


def supcon_imagenet() -> Fields:
    """SupCon's ResNet-50 on ImageNet (google-research, supcon/scripts): crop, flip and AutoAugment (policy v0)."""
    return crop_flip((0.08, 1.0)) | dict(policy="autoaugment_imagenet_v0", policy_fill=128)


def supcon_imagenet_stacked() -> Fields:
    """SupCon's ResNet-101 and ResNet-200 (Table 3): Stacked RandAugment, which is jitter, RandAugment (2 layers,
    magnitude 10), gray and blur. The authors' script leaves the warp at 0, and has AutoAugment for ResNet-101.
    """
    return _simclr() | _randaugment("randaugment_tensorflow", 2, 10.0, 128)


def sim_augment() -> Fields:
    """SimAugment (SupCon, Sec. 14.2): SimCLR's recipe with rotations, and a warp before the blur.

    The code warps half of the views (by a tenth of the side, 23 of 224 pixels) and never rotates. The text names
    rotations without an angle; 30 degrees is RandAugment's.
    """
    return _simclr() | dict(rotation=30.0, warp_probability=0.5, warp_strength=23 / 224)


def randaugment_imagenet() -> Fields:
    """RandAugment (Cubuk et al. 2019) for ResNet-50, N = 2 and M = 9, on torchvision's scale of 0 to 30."""
    return crop_flip((0.08, 1.0)) | _randaugment("randaugment", 2, 9.0, 0)


def autoaugment_imagenet() -> Fields:
    """AutoAugment (Cubuk et al. 2018), Table 9."""
    return crop_flip((0.08, 1.0)) | dict(policy="autoaugment_imagenet", policy_fill=128)


def autoaugment_cifar() -> Fields:
    """AutoAugment (Cubuk et al. 2018), Sec. 4.1: padding crop, flip, the CIFAR policy, Cutout of 16 pixels."""
    return pad_flip() | dict(policy="autoaugment_cifar10", policy_fill=128, cutout=16)


def randaugment_cifar() -> Fields:
    """RandAugment on CIFAR: AutoAugment's recipe with N = 2 and M = 14 of 30 in place of its policy."""
    return pad_flip() | _randaugment("randaugment", 2, 14.0, 128) | dict(cutout=16)


def selfcon() -> Fields:
    """SelfCon, main_represent.py: SupContrast's recipe, for a single view too and at any image size."""
    return simclr_cifar()


def mcl_cifar() -> Fields:
    """MCL, main_cifar.py: one view; a crop of the image padded by 4 pixels, and a flip."""
    return pad_flip()


def mcl_imagenet() -> Fields:
    """MCL, dataset/imagenet.py: a resized crop in torchvision's default range, and a flip."""
    return crop_flip((0.08, 1.0))


def moco_v1() -> Fields:
    """MoCo (He et al. 2020): jitter of 0.4, hue included, on every view, and no blur."""
    return crop_flip((0.2, 1.0)) | _jitter(0.4, 0.4, 0.4, 0.4) | dict(jitter_probability=1.0)


def moco_v2() -> Fields:
    """MoCo v2 (Chen et al. 2020) and MCL's main_moco_mcl.py."""
    return crop_flip((0.2, 1.0)) | _jitter(0.4, 0.4, 0.4, 0.1) | dict(blur_probability=(0.5,))


def moco_v3() -> Fields:
    """MoCo v3 for ViT, and all of SDSSL (pl_train_*.py): the two views differ in blur and solarization."""
    return (
        crop_flip((0.08, 1.0))
        | _jitter(0.4, 0.4, 0.2, 0.1)
        | dict(blur_probability=(1.0, 0.1), solarize_probability=(0.0, 0.2))
    )


sdssl = moco_v3


def byol() -> Fields:
    """BYOL (Grill et al. 2020, App. B): `moco_v3` with bicubic resizing."""
    return moco_v3() | dict(interpolation="bicubic")


def swav() -> Fields:
    """SwAV's multi-crop (Caron et al. 2020): 2 x 224 and 6 x 96 pixels."""
    extra = dict(extra_views=(6,), extra_sizes=(96,), extra_scales=(0.05, 0.14))
    return _simclr() | dict(crop_scale=(0.14, 1.0)) | extra


def dino() -> Fields:
    """DINO's multi-crop (Caron et al. 2021) for ViT: 2 x 224 and 8 x 96 pixels, with a blur per kind of view."""
    extra = dict(extra_views=(8,), extra_sizes=(96,), extra_scales=(0.05, 0.4))
    views = dict(blur_probability=(1.0, 0.1, 0.5), solarize_probability=(0.0, 0.2, 0.0))
    return moco_v3() | dict(crop_scale=(0.4, 1.0), interpolation="bicubic") | views | extra


def deit_finetuning(mixup: float = 0.8, cutmix: float = 1.0, erase: float = 0.0) -> Fields:
    """MoCo v3's transfer (SDSSL, Table 5) with DeiT's code: RandAugment (magnitude 9 of 10), MixUp, CutMix, erasing.

    mixup, cutmix: 0.8, 1 for CIFAR-10; 0.5, 1 for CIFAR-100; 0, 0 (and erase 0.25) for Flowers; 0.8, 0 for Pets.
    timm's RandAugment differs in detail: it varies the magnitude and runs the scale of some operations backwards.
    """
    return (
        crop_flip((0.08, 1.0))
        | _randaugment("randaugment", 2, 27.0, 124)
        | dict(interpolation="bicubic", mixup=mixup, cutmix=cutmix, erase_probability=erase, erase_noise=1.0)
    )


def multi_digits() -> Fields:
    """Intriguing Properties, Sec. 3.1: random cropping and resizing only."""
    return crop_flip((0.08, 1.0)) | dict(flip=0.0)


def randbit(bits: int) -> Fields:
    """Intriguing Properties, randbits_mnist.ipynb: crops of at least half of the area, and `bits` random bits."""
    return crop_flip((0.5, 1.0)) | dict(flip=0.0, random_bits=bits)


def _simclr() -> Fields:
    """SimCLR's colors and blur on ImageNet, which other codes resize in their own ways."""
    return crop_flip((0.08, 1.0)) | _jitter(0.8, 0.8, 0.8, 0.2) | dict(blur_probability=(0.5,))


def _jitter(brightness: float, contrast: float, saturation: float, hue: float) -> Fields:
    """Jitter on 80% of the views and gray on 20%: the same in every recipe with jitter except `moco_v1`."""
    return dict(
        brightness=brightness,
        contrast=contrast,
        saturation=saturation,
        hue=hue,
        jitter_probability=0.8,
        gray_probability=0.2,
    )


def _randaugment(policy: str, layers: int, magnitude: float, fill: int) -> Fields:
    return dict(policy=policy, policy_layers=layers, policy_magnitude=magnitude, policy_fill=fill)
