"""`pretrain` and `judge` from Python: they are the commands, with overrides as keyword arguments."""

import json

import numpy as np
import pytest
from commandline import ROOT, TINY

import contrastive_jax
from contrastive_jax.api import composed
from contrastive_jax.config.presets import pretraining
from contrastive_jax.errors import InputError
from contrastive_jax.linear_eval import COMMAND as LINEAR_EVAL
from contrastive_jax.main import COMMAND as PRETRAIN


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


OVERRIDES = {
    "network": {"width": 4, "subnetworks": ("block1",)},
    "batch_size": 128,
    "epochs": 1.0,
    "log.every_steps": 1,
    "checkpoint": {"every_epochs": 0.28},
    "monitor.every_epochs": 0.0,
}
"""What TINY says on a command line."""


def test_overrides_make_the_config_of_the_command_line():
    file = "configs/selfcon_s.py:digits,resnet8"
    assert composed(PRETRAIN, file, OVERRIDES) == PRETRAIN.composed(TINY)
    other = ["--config.optimizer.name=adamw", "--config.augment.recipe=moco_v2", "--config.augment.flip=0.25"]
    given = {"optimizer.name": "adamw", "augment": {"recipe": "moco_v2", "flip": 0.25}}
    assert composed(PRETRAIN, file, given) == PRETRAIN.composed([f"--config={file}", *other])
    config = pretraining("supcon", "digits,resnet8")
    assert composed(PRETRAIN, config, {"seed": 3}) == config.to_dict() | {"seed": 3}
    assert config.seed == 0, "the caller's config stays as it is"
    chosen = composed(LINEAR_EVAL, "configs/linear_eval.py:quick", {"protocol.epochs": 3})
    assert chosen["protocol"]["epochs"] == 3


def pretrain(path):
    config = pretraining("selfcon_s", "digits,resnet8")
    config.network = {"name": "tiny:Plain"}
    few = {"batch_size": 128, "epochs": 0.2, "monitor": {"every_epochs": 0.0}, "data.test_split": "test[:50]"}
    return contrastive_jax.pretrain(config, path, **few)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "a"
    assert pretrain(path) == path
    return path


def test_a_run_is_pretrained_and_embeds_and_is_judged(run):
    assert json.loads((run / "summary.json").read_text())["steps"] == 2
    encoder = contrastive_jax.load_encoder(str(run))
    assert encoder.step == 2
    assert encoder.embed(np.zeros((3, 8, 8, 1), np.uint8)).shape == (3, 12)
    found = contrastive_jax.judge(run, linear=False, knn=(5,), folder="judged")
    assert set(found["top1"]) == {"5-NN, block1", "5-NN, final"} and found["step"] == 2
    assert found == json.loads((run / "judged" / "summary.json").read_text())


def test_the_same_call_adds_the_record_that_a_finished_run_lacks(run):
    record = run / "resolved.json"
    written = json.loads(record.read_text())
    assert written.pop("images")["image_shape"] == [8, 8, 1]
    record.write_text(json.dumps(written))
    with pytest.raises(InputError, match="does not record what its images are"):
        contrastive_jax.load_encoder(run)
    pretrain(run)
    assert contrastive_jax.load_encoder(run).step == 2


@pytest.mark.parametrize(
    "overrides, words",
    [
        ({"batch_sise": 64}, "config.batch_sise is unknown: did you mean 'batch_size'?"),
        ({"netwrk": {"width": 4}}, "config.netwrk is unknown: did you mean 'network'?"),
        ({"network.widht": 4}, "config.network.widht is unknown: did you mean 'width'?"),
        ({"batch_size": "many"}, "config.batch_size is 'many', a str: give an int"),
        ({"network": 4}, "config.network is 4: it is a section, give a dict of its fields."),
        ({"seed": {"a": 1}}, "config.seed is a field: give a value, not fields of its own."),
    ],
)
def test_wrong_overrides_are_refused(tmp_path, overrides, words):
    with pytest.raises(InputError) as refused:
        contrastive_jax.pretrain("configs/supcon.py:digits,resnet8", tmp_path / "a", **overrides)
    assert words in str(refused.value)
    assert not (tmp_path / "a").exists()


def test_a_missing_config_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="the config file configs/nothing.py does not exist in"):
        contrastive_jax.pretrain("configs/nothing.py", tmp_path / "a")
