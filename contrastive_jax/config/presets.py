"""The starting point of every config file: all sections with all their fields, so that each can be overridden.

A config file calls `pretraining(...)`, sets its own numbers and returns the `ConfigDict`. Fields and defaults come from
the dataclasses that the sections build; this module only collects them, and adds what a data set's name implies.
"""

from typing import Any

from ml_collections import ConfigDict

from contrastive_jax.config.schema import defaults
from contrastive_jax.errors import InputError, nearest
from contrastive_jax.evaluate.evaluations import EVALUATIONS
from contrastive_jax.evaluate.protocol import Protocol
from contrastive_jax.evaluate.settings import Evaluation, Evaluations
from contrastive_jax.experiment import CHOICES, SECTIONS, Run, section_class
from contrastive_jax.models import published

IMAGENET = dict(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
DATASETS: dict[str, dict[str, dict[str, Any]]] = {
    "cifar10": {
        "data": dict(source="tfds:cifar10"),
        "augment": dict(mean=(0.4914, 0.4822, 0.4465), std=(0.2023, 0.1994, 0.2010)),
    },
    "cifar100": {
        "data": dict(source="tfds:cifar100"),
        "augment": dict(mean=(0.5071, 0.4867, 0.4408), std=(0.2675, 0.2565, 0.2761)),
    },
    "imagenet": {
        "data": dict(source="tfds:imagenet2012", test_split="validation"),
        "augment": dict(
            size=224, center_fraction=224 / 256, **IMAGENET
        ),  # evaluation: resize to 256, crop 224
        "network": dict(stem="imagenet"),
    },
    "tiny_imagenet": {
        "data": dict(source="folder:tiny-imagenet-200"),
        "augment": dict(**IMAGENET),  # as SelfCon's loaders have it
    },
    "folder": {
        "data": dict(source="folder:"),
        "augment": dict(**IMAGENET),  # no center_fraction: 224 of 256 is for ImageNet; these may be small
        "network": dict(stem="imagenet"),
    },
    "fashion_mnist": {
        "data": dict(source="fashion_mnist_10k"),
        "augment": dict(mean=(0.2860,), std=(0.3530,)),
    },
    "digits": {"data": dict(source="digits"), "augment": dict(mean=(0.3053,), std=(0.3760,))},
}
"""The data sets that a config's argument can name: source, statistics of the pixels in [0, 1], and fields of the
network, which are set on networks that have them."""
CLASSES = {
    "tfds:cifar10": 10,
    "tfds:cifar100": 100,
    "tfds:imagenet2012": 1000,
    "folder:tiny-imagenet-200": 200,
    "fashion_mnist_10k": 10,
    "digits": 10,
}
"""Number of classes of the presets' sources, for those who look at a config without its data."""


def pretraining(
    method: str,
    argument: str,
    *,
    optimizer: str = "sgd",
    schedule: str = "cosine",
    sampler: str = "uniform",
) -> ConfigDict:
    """All sections of a pretraining run.

    Args:
        method: Name of the method, or its import path (`my_lab.methods:BarlowTwins`).
        argument: The config's argument, `dataset` or `dataset,network`, as in `configs/selfcon_s.py:cifar100,resnet50`.
            The network is a published name (`resnet18` if it is left out) or an import path (`my_lab.nets:TinyNet`).
        optimizer: Name of the optimizer.
        schedule: Name of the learning-rate schedule.
        sampler: Name of the sampler.

    Returns:
        A config that trains as it is: the defaults of every section, with the data set's preset and the network's
        published fields on top.

    Raises:
        InputError: If a name is unknown, or if the argument has more than two words.
    """
    dataset, network = words(argument)
    preset = dataset_preset(dataset)
    family, fields = published(network)
    names = {
        "network": family,
        "method": method,
        "optimizer": optimizer,
        "schedule": schedule,
        "sampler": sampler,
    }
    config = ConfigDict(defaults(Run))
    for section in (*SECTIONS, *CHOICES):
        chosen = {"name": names[section]} if section in CHOICES else {}
        config[section] = chosen | defaults(section_class(section, chosen))
    for section, values in preset.items():
        config.update({section: {key: value for key, value in values.items() if key in config[section]}})
    config.update(network=fields)
    return config


def refuse_imagenet(argument: str, instead: str = "") -> None:
    """Stops a config whose recipe is for small images when it is asked for ImageNet.

    Days of training by the wrong recipe are worth more than a line that scrolls by.

    Args:
        argument: The config's argument.
        instead: A file in `configs/` with the published recipe for ImageNet, and the overrides that it needs:
            `supcon_imagenet.py --config.method.name=supcon_in`. Empty if none was published.

    Raises:
        InputError: If the argument names ImageNet. It has the command of the published recipe, if there is one, and
            the flags that train on ImageNet by this one.
    """
    dataset, network = words(argument)
    if dataset != "imagenet":
        return
    file, *overrides = instead.split() or [""]
    published = " ".join([f"ImageNet has its own: --config=configs/{file}:{argument}", *overrides])
    found = published if instead else "none was published for ImageNet"
    like_a_folder = {
        f"{section}.{field}": value
        for section, fields in DATASETS["imagenet"].items()
        for field, value in fields.items()
        if value != DATASETS["folder"][section].get(field)
    }
    flags = " ".join(f"--config.{field}={value}" for field, value in like_a_folder.items())
    raise InputError(
        f"this config's recipe is for small images, and {found}. To train on ImageNet by it all the same, write"
        f" folder,{network} in place of {argument} and add {flags}."
    )


def evaluation(*, optimizer: str = "sgd", schedule: str = "step") -> ConfigDict:
    """All sections of a linear evaluation."""
    config = ConfigDict(defaults(Evaluation))
    config.protocol = defaults(Protocol)
    for section, name in (("optimizer", optimizer), ("schedule", schedule)):
        config[section] = {"name": name} | defaults(section_class(section, {"name": name}))
    return config


def evaluations(*names: str) -> ConfigDict:
    """A config of `evaluate` with a section for each of the evaluations.

    Raises:
        InputError: If a name is unknown.
    """
    config = ConfigDict(defaults(Evaluations))
    for name in names:
        if name not in EVALUATIONS:
            raise InputError(f"there is no evaluation '{name}': {nearest(name, EVALUATIONS)}")
        config[name] = defaults(EVALUATIONS[name])
    return config


def words(argument: str) -> tuple[str, str]:
    """Data set and network of a config's argument."""
    dataset, network, *more = argument.split(",") + ["resnet18"] * ("," not in argument)
    if more:
        raise InputError(
            f"'{more[0]}' in the config's argument '{argument}' is one word too many: give dataset,network."
        )
    return dataset, network


def dataset_preset(name: str) -> dict[str, Any]:
    """The entry of `DATASETS`. Raises InputError for an unknown name."""
    if name not in DATASETS:
        raise InputError(
            f"no preset for the data set '{name}': {nearest(name, DATASETS)} For any other data set, name the closest"
            " preset and set --config.data.source, --config.augment.mean and --config.augment.std."
        )
    return DATASETS[name]
