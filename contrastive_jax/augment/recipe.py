"""The schema of the config section `augment`: what happens to an image. No operation is written here.

Adding an operation: give `Recipe` the fields that it needs, with defaults that switch it off, and call it at its
place in `augment.augment`. `geometry_only` then switches it off by itself.
"""

import dataclasses

from contrastive_jax.augment.geometry import INTERPOLATIONS
from contrastive_jax.augment.policies import POLICIES
from contrastive_jax.errors import InputError, nearest


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What happens to an image, in the order of the fields. The defaults are SimCLR's and SupCon's for CIFAR.

    Fields that are tuples of probabilities have one value per view; the last one holds for all further views.
    `data.recipes` has the published recipes by name.
    """

    size: int = 0
    """Side of the square result in pixels; 0: the images' own shorter side."""
    crop_scale: tuple[float, float] = (0.2, 1.0)
    """Range of the crop's share of the area; (1, 1) together with `crop_ratio` (1, 1): no resized crop."""
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    """Range of the crop's width / height."""
    interpolation: str = "bilinear"
    """`bilinear` or `bicubic`."""
    antialias: bool = True
    """Widen the kernel when shrinking, as PIL does."""
    pad: int = 0
    """Black border in pixels out of which a crop of the full size is taken; 0: none."""
    flip: float = 0.5
    """Probability of a horizontal flip."""
    rotation: float = 0.0
    """Largest angle of a random rotation, in degrees."""
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    """Strengths of the color jitter; a hue of 0.5 reaches every color."""
    jitter_probability: float = 0.8
    policy: str = "none"
    """`none`, or a policy of `augment_policies`: `autoaugment_cifar10`, `randaugment`, ..."""
    policy_layers: int = 2
    """RandAugment's N, operations per image; AutoAugment has always two."""
    policy_magnitude: float = 9.0
    """RandAugment's M on the scale of its policy; AutoAugment has its own."""
    policy_fill: int = 128
    """Gray value where the policy moved in something from outside the image."""
    gray_probability: float = 0.2
    warp_probability: float = 0.0
    warp_strength: float = 0.1
    """Spread of the warp's control points over the side of the image."""
    blur_probability: tuple[float, ...] = (0.0,)
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    """Range of the Gaussian's standard deviation in pixels."""
    blur_kernel: float = 0.1
    """Width of its kernel over the side of the image, rounded to the next odd number of pixels, 3 at least."""
    solarize_probability: tuple[float, ...] = (0.0,)
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    """Of the pixels in [0, 1], one value or one per channel; (): to be filled in from the dataset."""
    cutout: int = 0
    """Side in pixels of a square that becomes the mean color, wherever its centre falls; 0: none."""
    erase_probability: float = 0.0
    """Of random erasing: a rectangle inside the image."""
    erase_scale: tuple[float, float] = (0.02, 0.33)
    erase_ratio: tuple[float, float] = (0.3, 3.3)
    """Its share of the area and its height / width."""
    erase_noise: float = 0.0
    """Standard deviation of what fills it, after normalisation; 0: the mean color."""
    random_bits: int = 0
    """RandBit: so many further channels of 0 and 1, a hash of the untouched image, the same in every view."""
    mixup: float = 0.0
    cutmix: float = 0.0
    """Parameters alpha of the Beta(alpha, alpha) from which the images' shares are drawn; 0: off."""
    mix_probability: float = 1.0
    """Share of the batches that are mixed."""
    extra_views: tuple[int, ...] = ()
    """Multi-crop: numbers of further views, one per group."""
    extra_sizes: tuple[int, ...] = ()
    """Their sides in pixels, one per group, all different; group g arrives as `view_<size>`."""
    extra_scales: tuple[float, ...] = ()
    """Their ranges of the crop's area: low, high of the first group, low, high of the second, ..."""
    center_fraction: float = 1.0
    """Evaluation only: side of the centre crop over the shorter side, e.g. 224 / 256."""

    def __post_init__(self):
        for name, known in (("interpolation", INTERPOLATIONS), ("policy", POLICIES)):
            value = getattr(self, name)
            if value not in known:
                raise InputError(f"augment.{name} '{value}' is unknown: {nearest(value, known)}")
        for name, value in vars(self).items():
            if name == "flip" or name.endswith("probability"):
                values = value if isinstance(value, tuple) else (value,)
                good = bool(values) and all(0.0 <= v <= 1.0 for v in values)
                _check(name, value, good, "a probability in [0, 1]" + ", or one per view" * (value is values))
        for name in NOT_NEGATIVE:
            _check(name, getattr(self, name), getattr(self, name) >= 0, "0 or more")
        for name in PAIRS:
            pair, share = getattr(self, name), name.endswith("scale")
            good = len(pair) == 2 and 0 < pair[0] <= pair[1] and not (share and pair[1] > 1)
            _check(name, pair, good, "a pair (low, high) with 0 < low <= high" + " <= 1" * share)
        _check("hue", self.hue, 0 <= self.hue <= 0.5, "in [0, 0.5]")
        _check("policy_layers", self.policy_layers, self.policy_layers >= 1, "1 or more")
        _check("policy_fill", self.policy_fill, 0 <= self.policy_fill <= 255, "in 0..255")
        _check("random_bits", self.random_bits, 0 <= self.random_bits <= 32, "in 0..32")
        _check("center_fraction", self.center_fraction, 0 < self.center_fraction <= 1, "in (0, 1]")
        _check("std", self.std, all(value > 0 for value in self.std), "positive")
        self._check_extra_views()

    def _check_extra_views(self):
        groups = len(self.extra_views)
        sizes = len(self.extra_sizes) == len(set(self.extra_sizes)) == groups
        _check("extra_views", self.extra_views, all(n > 0 for n in self.extra_views), "positive numbers")
        _check("extra_sizes", self.extra_sizes, sizes, "one different size for each of `extra_views`")
        pairs = list(zip(self.extra_scales[::2], self.extra_scales[1::2]))
        good = len(self.extra_scales) == 2 * groups and all(0 < low <= high <= 1 for low, high in pairs)
        _check(
            "extra_scales", self.extra_scales, good, "a low and a high in (0, 1] per group of `extra_views`"
        )

    @property
    def mixes(self) -> bool:
        """Whether the labels of a batch become mixtures of two, which only few methods understand."""
        return (self.mixup > 0 or self.cutmix > 0) and self.mix_probability > 0


NOT_NEGATIVE = (
    *("size", "pad", "rotation", "brightness", "contrast", "saturation", "policy_magnitude", "warp_strength"),
    *("blur_kernel", "cutout", "erase_noise", "mixup", "cutmix"),
)
PAIRS = ("crop_scale", "crop_ratio", "blur_sigma", "erase_scale", "erase_ratio")
GEOMETRY = (
    *("size", "crop_scale", "crop_ratio", "interpolation", "antialias", "pad", "flip"),
    *("mean", "std", "random_bits", "center_fraction"),
)


def geometry_only(recipe: Recipe) -> Recipe:
    """The crops and flips of a recipe without anything else: what a linear classifier is trained on.

    The random bits stay: they are channels that the network expects.
    """
    kept = {name: getattr(recipe, name) for name in GEOMETRY}
    return Recipe(**kept, jitter_probability=0.0, gray_probability=0.0)


def view_shape(recipe: Recipe, height: int, width: int, channels: int) -> tuple[int, int, int]:
    """Height, width and channels of a view of such images, as the networks see it."""
    size = recipe.size or min(height, width)
    return size, size, channels + recipe.random_bits


def _check(name: str, value: object, valid: bool, expected: str) -> None:
    if not valid:
        raise InputError(f"augment.{name} must be {expected}, not {value}.")
