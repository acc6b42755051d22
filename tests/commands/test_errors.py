"""Bad input is refused early, in one sentence that says what is wrong and what to do."""

import pytest
from commandline import TINY, error, run
from tiny import experiment

from contrastive_jax.config.presets import pretraining
from contrastive_jax.errors import InputError
from contrastive_jax.experiment import assemble


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config.optimizer.momentun=0.8"], ("config.optimizer.momentun", "did you mean 'momentum'")),
        (["--config.batch_sise=64"], ("config.batch_sise", "did you mean 'batch_size'")),
        (["--config.network.subnetwork=smal"], ("smal", "did you mean 'small'")),
        (["--config.batch_size=100"], ("100", "3 devices", "99 or 102")),
        (["--config.data.source=npz:/nowhere/images.npz"], ("/nowhere/images.npz",)),
    ],
)
def test_command_line(tmp_path, arguments, words):
    message = error("main", *TINY, f"--workdir={tmp_path / 'run'}", *arguments, devices=3)
    assert all(word in message for word in words), message
    assert not (tmp_path / "run").exists(), "a refused run leaves nothing behind"


def test_missing_workdir_and_config():
    assert "--workdir" in error("main", *TINY)
    assert "--config" in error("main")


def test_non_finite_loss_stops_with_step_and_last_good_checkpoint(tmp_path):
    message = error("main", *TINY, f"--workdir={tmp_path / 'run'}", "--config.learning_rate.peak=1e30")
    assert "step" in message and "checkpoint" in message and ("nan" in message or "inf" in message)


def test_missing_tfds_data_fails_fast_with_the_ways_to_provide_it(tmp_path):
    arguments = ["--config.data.source=tfds:cifar10", f"--config.data.data_dir={tmp_path}"]
    message = error("main", *TINY, f"--workdir={tmp_path / 'run'}", *arguments)
    assert "python -m contrastive_jax prepare" in message


def test_other_optimizer_on_the_command_line_brings_its_own_fields(tmp_path):
    run(
        "main",
        *TINY,
        f"--workdir={tmp_path / 'run'}",
        "--config.epochs=0.2",
        "--config.optimizer.name=adamw",
        "--config.optimizer.b2=0.99",
        "--config.learning_rate.peak=0.001",
    )


@pytest.mark.parametrize(
    ("section", "field", "value", "words"),
    [
        ("method", "name", "supcom", "did you mean 'SupCon'"),
        ("network", "name", "resnot", "did you mean 'ResNet'"),
        ("network", "depth", 19, "network.depth"),
        ("network", "subnetworks", ("block9",), "block9"),
        ("optimizer", "name", "sdg", "did you mean 'SGD'"),
        ("schedule", "name", "cosin", "did you mean 'Cosine'"),
        ("learning_rate", "scaling", "linar", "did you mean 'linear'"),
        ("augment", "flip", 1.5, "augment.flip"),
        ("method", "tau", "hot", "config.method.tau"),
        ("head", "dim", 1.5, "config.head.dim"),
    ],
)
def test_config_field(section, field, value, words):
    config = pretraining("supcon", "digits,resnet8").to_dict()
    config[section][field] = value
    with pytest.raises(InputError, match=words):
        assemble(config).learning_rate_schedule(10)


def test_tiny_experiment_itself_is_valid():
    assert experiment("supcon").run.batch_size == 16
