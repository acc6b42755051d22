"""The cost of networks: counted by hand, in the authors' figures, and by the command."""

import commandline
import jax
import jax.numpy as jnp
import PIL.Image
import pytest

from contrastive_jax.commands.describe import COMMAND, classes_of, describe_experiment
from contrastive_jax.config.presets import CLASSES, DATASETS, pretraining
from contrastive_jax.evaluate.cost import ALL, Cost, costs
from contrastive_jax.experiment import assemble


def tiny(params, state, images):
    """A 3x3 convolution with stride 2 to five channels, then two linear exits."""
    maps = jax.lax.conv_general_dilated(
        images, params["conv"], (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    pooled = jax.nn.relu(maps).mean((1, 2))
    early = pooled @ params["early"]
    return {"final": jax.nn.relu(early @ params["late"]), "early": jax.nn.relu(early)}


PARAMS = {"conv": jnp.ones((3, 3, 2, 5)), "early": jnp.ones((5, 7)), "late": jnp.ones((7, 11))}
IMAGES = jnp.ones((1, 8, 8, 2))
CONV = 4 * 4 * 5 * 3 * 3 * 2


def test_counts_by_hand():
    found = costs(tiny, PARAMS, (), IMAGES)
    maps = 8 * 8 * 2 + 4 * 4 * 5 + 5 + 7  # image, convolution, pooled, early
    assert found["early"] == Cost(90 + 35, CONV + 35, 4 * maps)
    assert found["final"] == Cost(90 + 35 + 77, CONV + 35 + 77, 4 * (maps + 11))
    assert found[ALL] == found["final"]


def test_the_same_inside_calls_and_loops():
    plain = costs(tiny, PARAMS, (), IMAGES)
    wrapped = [jax.jit(tiny), jax.checkpoint(tiny), lambda *args: jax.jit(jax.checkpoint(tiny))(*args)]
    for function in wrapped:
        assert costs(function, PARAMS, (), IMAGES) == plain

    def repeated(params, state, x):
        return {"out": jax.lax.scan(lambda x, _: (x @ params, None), x, length=6)[0]}

    assert costs(repeated, jnp.ones((5, 5)), (), jnp.ones((3, 5)))["out"].macs == 6 * 3 * 5 * 5

    def branching(params, state, x):
        return {"out": jax.lax.cond(x.sum() > 0, lambda x: x @ params @ params, lambda x: x @ params, x)}

    assert costs(branching, jnp.ones((5, 5)), (), jnp.ones((3, 5)))["out"].macs == 2 * 3 * 5 * 5

    def endless(params, state, x):
        return {"out": jax.lax.while_loop(lambda x: x.sum() > 0, lambda x: x @ params, x)}

    with pytest.raises(ValueError, match="while"):
        costs(endless, jnp.ones((5, 5)), (), jnp.ones((3, 5)))


def test_groups_and_transposed_products():
    def grouped(params, state, images):
        layout = ("NHWC", "HWIO", "NHWC")
        return {
            "out": jax.lax.conv_general_dilated(
                images, params, (1, 1), "SAME", dimension_numbers=layout, feature_group_count=4
            )
        }

    assert costs(grouped, jnp.ones((3, 3, 1, 8)), (), jnp.ones((1, 6, 6, 4)))["out"].macs == 6 * 6 * 8 * 9

    def attention(params, state, q):
        return {"out": jnp.einsum("hqd,hkd->hqk", q, q)}

    assert costs(attention, (), (), jnp.ones((3, 10, 16)))["out"].macs == 3 * 10 * 10 * 16


def described(method: str, **network) -> tuple[int, dict[str, Cost]]:
    """Parameters, and the table's rows, on 32-px images."""
    config = pretraining(method, "cifar100,resnet18")
    config.update(network=network)
    params, found = describe_experiment(assemble(config.to_dict()), (32, 32, 3), classes=100, examples=1000)
    return sum(leaf.size for leaf in jax.tree.leaves(params)), found


def test_table_6_of_selfcon():
    """ "SupCon 11.50 M 1.13 G, SelfCon-S 16.42 M 0.68 G" per sample; the authors' code gives 1.11 G and 0.67 G."""
    parameters, found = described("supcon", subnetworks=())
    assert parameters == 11_497_152
    assert found["training step, 2 views"].macs == 2 * 555_745_280
    parameters, found = described("selfcon_s", subnetworks=("block2",), subnetwork="small")
    assert parameters == 16_417_600
    assert found["training step, 1 view"].macs == 673_513_472
    assert found["final"] == Cost(11_168_832, 555_745_280 - 512 * 512 - 512 * 128, found["final"].activations)
    assert found["block2"].macs < found["final"].macs < found["all exits"].macs


def test_the_command():
    output = commandline.run(
        "describe", *commandline.TINY[:3], "--input=8", "--config.precision=float32", devices=1
    )
    rows = {line.split("  ")[0]: line.split() for line in output.splitlines()}
    convolutions = 8 * 8 * 9 * (1 * 4 + 2 * 4 * 4)  # the stem and block 1: width 4, one channel
    assert "encoder/block1/unit1/conv1/kernel" in output
    assert float(rows["block1"][3]) == pytest.approx((convolutions + 4 * 16) / 1e9, abs=1e-4)
    assert "give --input" in commandline.error("describe", *commandline.TINY[:3], "--input=-1")


@pytest.mark.parametrize(
    "argument, count, words",
    [
        *(
            (name, known, "those of ")
            for name, known in (("cifar100", 100), ("imagenet", 1000), ("digits", 10))
        ),
        ("folder", 10, "assumed for folder:"),
    ],
)
def test_the_classes_are_those_of_the_data_set(argument, count, words):
    config = pretraining("cross_entropy", f"{argument},resnet8").to_dict()
    if argument == "folder":
        config["data"]["source"] = "folder:/nowhere"
    found, whose = classes_of(assemble(config))
    assert found == count and whose.startswith(words)


def test_every_source_of_a_preset_has_its_classes():
    assert {preset["data"]["source"] for preset in DATASETS.values()} - {"folder:"} == CLASSES.keys()


def test_the_classes_of_a_folder_are_counted(tmp_path):
    for name in ("cat", "dog", "owl"):
        (tmp_path / name).mkdir()
        PIL.Image.new("RGB", (4, 4)).save(tmp_path / name / "1.png")
    config = pretraining("cross_entropy", "folder,resnet8").to_dict()
    config["data"]["source"] = f"folder:{tmp_path}"
    assert classes_of(assemble(config)) == (3, f"counted in folder:{tmp_path}")


def test_a_classifier_and_a_cohort_are_described(capsys):
    small = ["--input=8", "--config.network.width=4"]
    assert COMMAND.main(["--config=configs/mcl.py:cifar100,resnet8", *small]) == 0
    printed = capsys.readouterr().out
    assert (
        "100 classes, those of tfds:cifar100\n" in printed
        and "`final` is the cohort's first network" in printed
    )
    assert COMMAND.main(["--config=configs/cross_entropy.py:cifar100,resnet8", *small, "--classes=7"]) == 0
    printed = capsys.readouterr().out
    assert "7 classes, as given\n" in printed and "(16, 7)" in printed and "cohort" not in printed
