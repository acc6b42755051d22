"""Bad input is refused early, in one sentence that says what is wrong and what to do."""

import pytest
from commandline import TINY, error, run
from tiny import experiment

from contrastive_jax.config.presets import pretraining
from contrastive_jax.errors import InputError
from contrastive_jax.experiment import assemble
from contrastive_jax.main import pretrain
from contrastive_jax.train.run_directory import RunDirectory


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
    assert "give --workdir, the run directory, such as" in error("main", *TINY)
    assert "--config" in error("main")


def test_non_finite_loss_stops_with_step_and_last_good_checkpoint(tmp_path):
    message = error("main", *TINY, f"--workdir={tmp_path / 'run'}", "--config.learning_rate.peak=1e30")
    assert "step" in message and "checkpoint" in message and ("nan" in message or "inf" in message)
    assert message.endswith(
        "Lower the learning rate; if the method has a temperature, a higher one helps too."
    )


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
        ("head", "dim", 1.5, "config.head.dim is 1.5, a float: give an int such as "),
        (
            "augment",
            "crop_scale",
            ("wide",),
            "config.augment.crop_scale is .'wide',., a tuple: give a tuple such as",
        ),
    ],
)
def test_config_field(section, field, value, words):
    config = pretraining("supcon", "digits,resnet8").to_dict()
    config[section][field] = value
    with pytest.raises(InputError, match=words):
        assemble(config).learning_rate_schedule(10)


def test_a_value_per_view_is_refused_where_there_is_one_view():
    """What `--config.augment.recipe=moco_v3` brings."""
    config = pretraining("selfcon_s", "digits,resnet8").to_dict()
    config["augment"]["blur_probability"] = (1.0, 0.1)
    with pytest.raises(
        InputError, match=r"blur_probability is \(1.0, 0.1\), a value per view, and this method sees"
    ):
        assemble(config)
    assemble(config | {"augment": config["augment"] | {"blur_probability": (0.5, 0.5)}})
    assemble(pretraining("supcon", "digits,resnet8").to_dict() | {"augment": config["augment"]})


def test_the_fields_in_which_two_configs_differ_are_a_line_each(tmp_path):
    run = RunDirectory(tmp_path)
    with run.open({"seed": 0, "data": {"source": "digits", "workers": 1}}):
        pass
    with pytest.raises(InputError) as one:
        run.check({"seed": 1, "data": {"source": "digits", "workers": 1}})
    end = "holds a run with another config: seed (0 there, 1 now); choose another --workdir."
    assert str(one.value) == f"{tmp_path} {end}"
    with pytest.raises(InputError) as three:
        run.check({"seed": 1, "data": {"source": "mnist"}})
    first, *fields, last = str(three.value).splitlines()
    assert first == f"{tmp_path} holds a run with another config:" and last == "choose another --workdir."
    assert fields == [
        "  data.source ('digits' there, 'mnist' now)",
        "  data.workers (1 there, 'absent' now)",
        "  seed (0 there, 1 now)",
    ]


def test_a_wrong_field_is_named_before_an_occupied_directory(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    config = pretraining("supcon", "digits,resnet8").to_dict()
    config["data"]["batch_size"] = 100_000
    with pytest.raises(InputError, match="config.data.batch_size is unknown"):
        pretrain(config, workdir=str(tmp_path))


def test_a_batch_that_no_directory_would_mend_is_named_before_an_occupied_one(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    config = pretraining("supcon", "digits,resnet8").to_dict()
    for batch_size, words in ((100_000, "batch_size 100000 is larger than"), (64, "is not empty")):
        with pytest.raises(InputError, match=words):
            pretrain(config | {"batch_size": batch_size}, workdir=str(tmp_path))


def test_tiny_experiment_itself_is_valid():
    assert experiment("supcon").run.batch_size == 16
