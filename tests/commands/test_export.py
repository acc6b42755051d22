"""Weights out of a run and into another one, through files, as a user would."""

import json
import re

import commandline
import jax
import numpy as np
import pytest
from tiny import trial

from contrastive_jax import load_encoder
from contrastive_jax.commands.export import COMMAND, namings, read_checkpoint
from contrastive_jax.torch_weights import files
from contrastive_jax.train.checkpoint import Checkpoints

TINY = (
    "--config=configs/supcon.py:digits,resnet8",
    "--config.network.width=4",
    "--config.batch_size=16",
    "--config.head.dim=8",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run directory with a SupCon state of step 0."""
    path = tmp_path_factory.mktemp("runs") / "a"
    tiny = trial("supcon", 1)
    path.mkdir()
    (path / "config.json").write_text(json.dumps(tiny.parts.config))
    checkpoints = Checkpoints(path / "checkpoints")
    checkpoints.save(tiny.state())
    checkpoints.close()
    return path


def test_what_of_a_network(run, tmp_path):
    for part, subs, heads in (("backbone", 0, 0), ("encoder", 1, 0), ("whole", 1, 1)):
        file = tmp_path / "a.safetensors"
        assert COMMAND.main([f"--run={run}", f"--output={file}", "--naming=selfcon", f"--part={part}"]) == 0
        tensors = files.read(file)
        assert any("selfcon_layer.0." in name for name in tensors) == subs
        assert any(name.startswith("head.") for name in tensors) == heads
        state = trial("supcon", 1).state()
        kernel = np.asarray(state.params["encoder"]["block2"]["unit1"]["conv1"]["kernel"])
        assert np.array_equal(tensors["encoder.layer2.0.conv1.weight"], kernel.transpose(3, 2, 0, 1))
        assert tensors["encoder.bn1.num_batches_tracked"] == 0


@pytest.mark.parametrize(
    "flags, said",
    [
        (["--naming=selfcom"], "there is no naming 'selfcom': did you mean 'selfcon'?"),
        (
            ["--naming=timm"],
            "'timm' takes vit, and the run's network is resnet: choose mcl, selfcon or torchvision.",
        ),
        (["--naming=timm", "--step=7"], "'timm' takes vit"),  # before the checkpoint is looked for
        (["--naming=torchvision", "--part=encoder"], "torchvision has no names"),
        (["--naming=selfcon", "--step=7"], "no checkpoint of step 7"),
        (["--naming=selfcon", "--run=nowhere"], "is not a run"),
        (["--naming=selfcon", "--output=a.pth"], "does not end in .safetensors"),
    ],
)
def test_one_sentence(run, tmp_path, capsys, flags, said):
    assert COMMAND.main([f"--run={run}", f"--output={tmp_path / 'a.safetensors'}", *flags]) == 2
    assert said in capsys.readouterr().err


def test_the_help_names_the_networks_of_every_naming():
    words = " ".join((COMMAND.doc or "").split())
    for naming, networks in namings().items():
        (listed,) = re.findall(rf"`{naming}` \(([\w, ]+)", words)
        assert listed.split(", ") == networks


def test_the_student_is_exported_and_not_its_teacher(tmp_path):
    tiny = trial("byol", 1)
    state = tiny.state()
    teacher = jax.tree.map(lambda leaf: leaf + 7, state.collections.teacher)
    state = state._replace(collections=state.collections._replace(teacher=teacher))
    path, file = tmp_path / "run", tmp_path / "a.safetensors"
    path.mkdir()
    (path / "config.json").write_text(json.dumps(tiny.parts.config))
    checkpoints = Checkpoints(path / "checkpoints")
    checkpoints.save(state)
    checkpoints.close()
    assert COMMAND.main([f"--run={path}", f"--output={file}", "--naming=torchvision"]) == 0
    means = {name: array for name, array in files.read(file).items() if name.endswith("running_mean")}
    assert means and not any(np.any(array) for array in means.values())


def test_a_run_starts_from_weights(run, tmp_path):
    """Its backbone exported as torchvision's and taken up by a new run of another seed; all else is fresh."""
    file, workdir = tmp_path / "a.safetensors", tmp_path / "b"
    assert COMMAND.main([f"--run={run}", f"--output={file}", "--naming=torchvision"]) == 0
    command = (
        "start",
        *TINY,
        "--config.network.subnetworks=('block1',)",
        "--config.network.subnetwork=fc",
        f"--workdir={workdir}",
        f"--weights={file}",
    )
    assert "begins with" in commandline.run(*command, "--naming=torchvision", "--config.seed=5")
    ours, theirs = (read_checkpoint(path / "checkpoints", None) for path in (workdir, run))
    for given, wanted in zip(encoders(ours), encoders(theirs), strict=True):
        assert all(same(given[name], wanted[name]) != name.startswith("sub_") for name in wanted)
    assert not same(ours["params"]["head_final"], theirs["params"]["head_final"])
    assert load_encoder(workdir).image_shape == (8, 8, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags, said",
    [
        (["--workdir=RUN", "--naming=selfcon", "--weights=a.pth"], "begun already"),
        (["--naming=selfcon"], "give --weights, a file with a state dict."),
        (["--naming=selfcon", "--weights=a.safetensors"], "no file a.safetensors"),
    ],
)
def test_a_start_is_refused_in_one_sentence(run, tmp_path, flags, said):
    flags = [flag.replace("RUN", str(run)) for flag in flags]
    assert said in commandline.error("start", *TINY, f"--workdir={tmp_path / 'b'}", *flags)


def encoders(state):
    return state["params"]["encoder"], state["collections"]["network"]["batch_stats"]["encoder"]


def same(a, b) -> bool:
    return all(jax.tree.leaves(jax.tree.map(np.array_equal, a, b)))
