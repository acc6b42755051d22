"""The schema of the config section `augment`: which operations an image gets, with which strengths.

To add an operation, give `Recipe` the fields it needs, with defaults that switch it off, and call it in
`views.augment_image`. `geometry_only` switches off every field that is not listed in `GEOMETRY`.
"""

import dataclasses

from contrastive_jax.augment.geometry import INTERPOLATIONS
from contrastive_jax.augment.policies import POLICIES
from contrastive_jax.errors import InputError, nearest


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What happens to an image, in the order of the fields. The defaults are those of SimCLR and SupCon on CIFAR.

    A tuple of probabilities has one value per view; the last one applies to all further views. The published recipes
    are in `contrastive_jax.recipes.augmentations`.
    """

    recipe: str = ""
    """Name of the recipe that the command line chose, `--config.augment.recipe=moco_v3` or `my_lab.views:microscopy`.
    A record: the other fields already hold its values."""
    size: int = 0
    """Side of a view in pixels; views are square. 0: the shorter side of the images, 224 if they vary in size."""
    crop_scale: tuple[float, float] = (0.2, 1.0)
    """Range of the crop's area as a fraction of the image's. (1, 1), with `crop_ratio` (1, 1) too: no resized crop."""
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    """Range of the crop's width / height."""
    interpolation: str = "bilinear"
    """`bilinear` or `bicubic`."""
    antialias: bool = True
    """Widen the kernel when shrinking, as PIL does."""
    pad: int = 0
    """Width in pixels of a black border, from which a crop of the original size is taken. 0: no padding."""
    flip: float = 0.5
    """Probability of a horizontal flip."""
    rotation: float = 0.0
    """Largest angle of a random rotation, in degrees."""
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    """Strengths of the color jitter. A hue of 0.5 reaches every color."""
    jitter_probability: float = 0.8
    """Probability of the color jitter."""
    policy: str = "none"
    """`none`, `autoaugment_cifar10`, `randaugment` or another key of `policies.POLICIES`."""
    policy_layers: int = 2
    """RandAugment's N, the operations per image. AutoAugment always has two."""
    policy_magnitude: float = 9.0
    """RandAugment's M, on the scale of its policy. AutoAugment sets its own magnitudes."""
    policy_fill: int = 128
    """Gray value of pixels that a policy moves in from outside the image."""
    gray_probability: float = 0.2
    """Probability of a conversion to gray."""
    warp_probability: float = 0.0
    """Probability of a random warp."""
    warp_strength: float = 0.1
    """Largest spread of the warp's control points as a fraction of the image's side."""
    blur_probability: tuple[float, ...] = (0.0,)
    """Probability of a Gaussian blur, one for all views or one per view."""
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    """Range of the Gaussian's standard deviation in pixels."""
    blur_kernel: float = 0.1
    """Width of the blur's kernel as a fraction of the image's side; rounded to an odd number of pixels, at least 3."""
    solarize_probability: tuple[float, ...] = (0.0,)
    """Probability of solarization, one for all views or one per view."""
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    """Of the pixels in [0, 1], one value or one per channel. (): set by the program from the data set."""
    cutout: int = 0
    """Side in pixels of a square that is set to the mean color; its centre is inside the image. 0: no cutout."""
    erase_probability: float = 0.0
    """Probability of random erasing, which fills a rectangle inside the image."""
    erase_scale: tuple[float, float] = (0.02, 0.33)
    """Range of the erased area as a fraction of the image's."""
    erase_ratio: tuple[float, float] = (0.3, 3.3)
    """Range of the erased rectangle's height / width."""
    erase_noise: float = 0.0
    """Standard deviation of the noise in the erased rectangle, after normalisation. 0: the mean color."""
    random_bits: int = 0
    """RandBit: number of extra channels of 0 or 1, a hash of the original image and the same in all views."""
    mixup: float = 0.0
    cutmix: float = 0.0
    """Alpha of the Beta(alpha, alpha) from which the mixing share is drawn. 0: off."""
    mix_probability: float = 1.0
    """Fraction of the batches that are mixed."""
    extra_views: tuple[int, ...] = ()
    """Multi-crop: the number of extra views in each group."""
    extra_sizes: tuple[int, ...] = ()
    """Their sides in pixels, one per group, all different. The views of a group are `view_<size>` in the batch."""
    extra_scales: tuple[float, ...] = ()
    """Their `crop_scale`: low and high of the first group, low and high of the second, ..."""
    center_fraction: float = 1.0
    """Evaluation only: side of the centre crop as a fraction of the picture's shorter side. 224 / 256 resizes that side
    to 256 for a crop of 224."""

    def __post_init__(self):
        for name, known in (("interpolation", INTERPOLATIONS), ("policy", POLICIES)):
            value = getattr(self, name)
            if value not in known:
                raise InputError(
                    f"augment.{name} is '{value}', which does not exist; {nearest(value, known)}"
                )
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
        _check("extra_sizes", self.extra_sizes, sizes, "one size per group of `extra_views`, all different")
        pairs = list(zip(self.extra_scales[::2], self.extra_scales[1::2]))
        good = len(self.extra_scales) == 2 * groups and all(0 < low <= high <= 1 for low, high in pairs)
        _check("extra_scales", self.extra_scales, good, "low and high in (0, 1], per group of `extra_views`")

    @property
    def mixes(self) -> bool:
        """Whether a batch gets mixed labels, which only some methods accept."""
        return (self.mixup > 0 or self.cutmix > 0) and self.mix_probability > 0


# fmt: off
NOT_NEGATIVE = (
    "size", "pad", "rotation", "brightness", "contrast", "saturation", "policy_magnitude", "warp_strength",
    "blur_kernel", "cutout", "erase_noise", "mixup", "cutmix",
)
VARYING_SIZE = 224
"""Side of a view of pictures that vary in size, if the recipe does not choose one."""
PAIRS = ("crop_scale", "crop_ratio", "blur_sigma", "erase_scale", "erase_ratio")
GEOMETRY = (
    "size", "crop_scale", "crop_ratio", "interpolation", "antialias", "pad", "flip",
    "mean", "std", "random_bits", "center_fraction",
)
# fmt: on


def geometry_only(recipe: Recipe) -> Recipe:
    """A recipe's crops and flips without its other operations: what a linear classifier is trained on.

    The random bits stay, because the network expects their channels.
    """
    kept = {name: getattr(recipe, name) for name in GEOMETRY}
    return Recipe(**kept, jitter_probability=0.0, gray_probability=0.0)


def view_shape(recipe: Recipe, height: int, width: int, channels: int) -> tuple[int, int, int]:
    """Height, width and channels of the views of such images, as a network sees them."""
    size = recipe.size or min(height, width)
    return size, size, channels + recipe.random_bits


def on_canvas(recipe: Recipe, side: int) -> Recipe:
    """The recipe with the size of its views, for pictures that vary in size, decoded to this longest side."""
    return dataclasses.replace(recipe, size=recipe.size or min(VARYING_SIZE, side))


def canvas_side(recipe: Recipe) -> int:
    """The longest side, in pixels, that this recipe's pictures are decoded to if they vary in size.

    A crop of the fraction `low` of the area of a picture of side `size / sqrt(low)` has as many pixels as the view.
    The smallest crop of the recipe decides, from 1.5 times a view's side (so that the shorter side of a 4:3 picture
    still has the 256 pixels per 224 that evaluation wants, nearly) to twice (memory grows with the square).
    """
    size = recipe.size or VARYING_SIZE
    groups = zip(recipe.extra_sizes, recipe.extra_scales[::2])
    wanted = max(side / low**0.5 for side, low in [(size, recipe.crop_scale[0]), *groups])
    return round(min(max(wanted, 1.5 * size), 2 * size))


def _check(name: str, value: object, valid: bool, expected: str) -> None:
    if not valid:
        raise InputError(f"augment.{name} is {value}; it must be {expected}.")
