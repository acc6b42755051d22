"""Every config has its family's values and its own (`published.py`), and its body sets nothing else."""

import pytest
from config_files import PRETRAINING, changed, default_argument, docstring, flat, resolved
from published import CONFIGS, FAMILIES, PROTOCOLS, VARIANTS, fields

from contrastive_jax.config.presets import pretraining
from contrastive_jax.recipes import augmentations
from contrastive_jax.train.schedules import scaled_peak


def wrong(config: dict, expected: dict) -> dict:
    """The fields whose values are not the expected ones, with the values that the config has."""
    return {
        field: config.get(field) for field, value in expected.items() if not same(config.get(field), value)
    }


def same(found, value) -> bool:
    exact = isinstance(value, (str, bool, tuple))
    return found == value if exact else found == pytest.approx(value, rel=1e-14)


def augmentation(recipe: str, argument: str) -> dict:
    """The section `augment` after a recipe is applied to the data set's preset."""
    config = pretraining("simclr", argument)
    config.augment.update(getattr(augmentations, recipe)())
    return {field: value for field, value in flat(config).items() if field.startswith("augment.")}


def test_every_config_is_in_the_table():
    assert sorted(CONFIGS) == sorted(PRETRAINING)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_has_its_familys_values_and_its_own(name):
    family, recipe, own = CONFIGS[name]
    shared, own = fields(FAMILIES[family]), {"method.name": name} | fields(own)
    config = resolved(name)
    assert wrong(config, shared) == {}
    assert wrong(config, own) == {}
    assert wrong(config, augmentation(recipe, default_argument(name))) == {}
    assert sorted(set(changed(name)) - set(shared) - set(own)) == []


@pytest.mark.parametrize("name, argument", VARIANTS)
def test_a_config_follows_its_argument(name, argument):
    recipe, own = VARIANTS[name, argument]
    config, own = resolved(name, argument), fields(own)
    assert wrong(config, augmentation(recipe, argument) | own) == {}


RATES = {
    "cross_entropy": 0.8,
    "supcon_cross_entropy": 0.8,
    "selfcon_s": 0.125,
    "selfcon_1stage_selfcon": 0.5,
    "intriguing_nt_xent": 0.2 * 128**0.5,
    "mcl_bank": 0.1,
    "mcl_moco": 0.03,
    "sdssl_moco_v3": 6e-4,
    "byol": 3.2,
    "simclr_imagenet": 4.8,
    "supcon_imagenet": 9.6,
    "supcon_cross_entropy_imagenet": 2.4,
}


@pytest.mark.parametrize("name", RATES)
def test_the_peak_at_the_configs_own_batch_is_the_published_rate(name):
    config = resolved(name)
    peak, rule, reference = (config[f"learning_rate.{f}"] for f in ("peak", "scaling", "reference_batch"))
    found = scaled_peak(peak, rule, batch_size=config["batch_size"], reference=reference)
    assert found == pytest.approx(RATES[name])


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_linear_protocol_has_its_authors_values(name):
    assert wrong(resolved("linear_eval", name), fields(PROTOCOLS[name])) == {}


def test_the_protocols_of_this_package_are_supcontrasts_but_for_what_they_say():
    """`default` chooses the rate on a held-out tenth; `quick` is over after 20 epochs, milestones included."""
    default = fields(PROTOCOLS["supcontrast"]) | {
        "protocol.learning_rates": (0.1, 0.3, 1.0, 3.0, 5.0, 10.0),
        "protocol.holdout": 0.1,
        "protocol.crop_scale": (),
    }
    quick = default | {
        "protocol.epochs": 20,
        "protocol.batch_size": 256,
        "protocol.augment": "none",
        "schedule.milestones": (12, 15, 18),
    }
    for name, expected in (("default", default), ("quick", quick)):
        assert wrong(resolved("linear_eval", name), expected) == {}


JUDGED_BY = {
    "moco": ("moco", "moco_v1", "mcl_moco"),
    "moco_v3": ("moco_v3", "sdssl_simclr", "sdssl_simclr_baseline", "sdssl_simclr_same_view"),
    "sdssl": ("sdssl_byol", "sdssl_byol_baseline", "sdssl_moco_v3", "sdssl_moco_v3_baseline"),
    "simclr_tensorflow": [name for name in CONFIGS if name.startswith("intriguing_")],
    "supcon_imagenet": ("supcon_imagenet",),
    "simclr": ("simclr",),
    "simclr_imagenet": ("simclr_imagenet",),
    "byol": ("byol",),
    "supcontrast": [
        name
        for name in CONFIGS
        if name.startswith("supcon_") and not name.endswith(("_s", "_imagenet", "_large_margin"))
    ],
    "own": [
        *(name for name in CONFIGS if name.startswith("selfcon_1stage_")),
        *("cross_entropy", "supcon_cross_entropy_imagenet", "supcon_large_margin", "mcl", "mcl_bank"),
    ],
    "selfcon": ("selfcon_m_joint", "selfcon_mu_joint"),  # the released code's losses
    "selfcon_paper": ("selfcon_s", "selfcon_s_bank", "selfcon_m", "selfcon_mu", "selfcon_su", "supcon_s"),
}


@pytest.mark.parametrize("protocol, name", [(p, name) for p, names in JUDGED_BY.items() for name in names])
def test_a_config_is_judged_as_its_authors_do(protocol, name):
    words = " ".join(docstring(name).replace("\\\n", " ").split())
    assert f"configs/linear_eval.py:{protocol} --config.pretrained=" in words


def test_one_stage_configs_document_the_logit_form():
    """The five one-stage configs that match features document how to match logits instead."""
    documented = "--config.method.form=logits --config.method.beta=0.5"
    matching = [
        name for name in CONFIGS if name.startswith("selfcon_1stage_") and "method.form" in resolved(name)
    ]
    assert len(matching) == 5
    for name in matching:
        assert documented in docstring(name)


def test_the_released_codes_other_settings_are_documented():
    text = docstring("selfcon_1stage_released")
    assert "--config.method.alpha=0.5 --config.method.beta=0.5 --config.method.gamma=0.0" in text
    assert "subnet_ce    --config.method.gamma=0.0" in text
