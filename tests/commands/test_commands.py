"""The list of commands, their help, and how a command line becomes a call."""

import sys

import commandline
import pytest

from contrastive_jax import commands
from contrastive_jax.__main__ import main
from contrastive_jax.config.flags import Command, Flag
from contrastive_jax.config.sections import PRETRAINING
from contrastive_jax.errors import Interrupted

NAMES = [
    "describe",
    "embed",
    "evaluate",
    "export",
    "linear_eval",
    "prepare",
    "pretrain",
    "reproduce",
    "selftest",
    "start",
]
CONFIG = "--config=configs/supcon.py:digits,resnet8"


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
    monkeypatch.chdir(commandline.ROOT)


def test_all_commands_are_listed_with_a_line_each(capsys):
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert set(NAMES) <= set(commands.names())
    for name in commands.names():
        (line,) = [line for line in lines if line.split()[:1] == [name]]
        assert line.endswith(".") and 30 < len(line) < 120


def test_listing_imports_no_command():
    code = (
        "import sys; from contrastive_jax.__main__ import main; main([]);"
        "sys.exit(any(name in sys.modules for name in ('jax', 'flax', 'contrastive_jax.commands.start')))"
    )
    assert commandline.subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_an_unknown_command_is_refused_with_the_nearest(capsys):
    assert main(["pretrian"]) == 2
    assert capsys.readouterr().err == "error: there is no command 'pretrian': did you mean 'pretrain'?\n"


@pytest.mark.parametrize("name", NAMES)
def test_help_is_printed_with_status_0_and_nothing_else_happens(name, capsys):
    command = commands.load(name)
    for flag in ("--help", "-h"):
        assert main([name, flag]) == 0
        printed = capsys.readouterr()
        assert printed.err == "" and all(f"--{flag.name}=" in printed.out for flag in command.flags)
        sections = [*command.config.fixed, *command.config.chosen] if command.config else []
        assert all(f"--config.{section}." in printed.out for section in sections)
        assert ("--config" in printed.out) == bool(sections)


def test_help_with_a_config_shows_what_the_command_line_makes_of_it(capsys):
    overrides = [
        "--config.optimizer.name=lars",
        "--config.optimizer.trust_on=momentum",
        "--config.batch_size=64",
    ]
    assert main(["describe", CONFIG, *overrides, "--help"]) == 0
    printed = capsys.readouterr().out
    assert "--config.batch_size=64 (int)" in printed and "optimizer: LARS" in printed
    assert "--config.optimizer.trust_on='momentum' (str)" in printed


def test_as_a_user_types_it():
    assert "pretrain" in commandline.run("--help")
    assert "--workdir" in commandline.run("main", "--help")
    assert "there is no command" in commandline.error("selftset")


def recorded(config=None):
    """A command that keeps what it is called with, and the record."""
    calls = []
    flags = (
        Flag("from", "", "Words.", parameter="source"),
        Flag("count", 3, "A number."),
        Flag("fast", False, "Whether."),
        Flag("part", "a", "Which.", choices=("a", "b")),
        Flag("without", (), "Some."),
    )
    return Command("record", "Records.", lambda **given: calls.append(given), flags, config), calls


def test_flags_arrive_as_arguments_and_no_call_sees_those_of_another():
    command, calls = recorded()
    assert command.main(["--from=x", "--count=4", "--fast", "--part=b", "--without=u,v"]) == 0
    assert command.main([]) == 0
    assert calls == [
        {"source": "x", "count": 4, "fast": True, "part": "b", "without": ("u", "v")},
        {"source": "", "count": 3, "fast": False, "part": "a", "without": ()},
    ]


def test_the_config_arrives_complete_and_two_commands_share_nothing():
    (one, first), (two, second) = recorded(PRETRAINING), recorded(PRETRAINING)
    assert one.main([CONFIG, "--config.optimizer.name=lars", "--config.seed=3"]) == 0
    assert two.main(["--config=configs/simclr.py:digits,resnet8"]) == 0
    assert first[0]["config"]["optimizer"]["trust_coefficient"] == 0.001 and first[0]["config"]["seed"] == 3
    config = second[0]["config"]
    assert (config["method"]["name"], config["optimizer"]["name"], config["seed"]) == ("simclr", "sgd", 0)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--cuont=4"], "Unknown command line flag 'cuont'. Did you mean: count ?"),
        (["--count=many"], "--count is 'many': give an integer."),
        (["--part=c"], "part"),
        (["word"], "'word' is not a flag"),
    ],
)
def test_a_wrong_flag_is_one_sentence(arguments, words, capsys):
    command, calls = recorded()
    assert command.main(arguments) == 2 and not calls
    printed = capsys.readouterr().err
    assert printed.startswith("error: ") and words in printed and printed.count("\n") == 1


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], "give a config, for example --config=configs/"),
        (["--config=configs/nothing.py"], "the config file configs/nothing.py does not exist in "),
        ([CONFIG, "--config.optimiser.name=sgd"], "config.optimiser is unknown: did you mean 'optimizer'?"),
        ([CONFIG, "--config.optimiser=sgd"], "config.optimiser is unknown: did you mean 'optimizer'?"),
        ([CONFIG, "--config.dim=64"], "config.dim is unknown: did you mean 'head.dim'?"),
        (
            [CONFIG, "--config.head.dim=64", "--config.epochs.dim=64"],
            "config.epochs.dim is unknown, for epochs is not a section: did you mean 'head.dim'?",
        ),
        (
            [CONFIG, "--config.network.stem.x=1"],
            "a field that the config does not have: config.network.stem.x",
        ),
        ([CONFIG, "--config.batch_size=4.5"], "--config.batch_size is '4.5': give an integer."),
        ([CONFIG, "--config.head.dim=x"], "--config.head.dim is 'x': give an integer."),
        ([CONFIG, "--config.optimizer.momentum=x"], "--config.optimizer.momentum is 'x': give a number."),
        (
            [CONFIG, "--config.optimizer.nesterov=x"],
            "--config.optimizer.nesterov is 'x': give True or False.",
        ),
        ([CONFIG, "--config.augment.recipe=moco_v33"], "did you mean 'moco_v3'"),
        ([CONFIG, "--config.method.name=supcom"], "did you mean 'SupCon'"),
        (["--config=configs/supcon.py:digits,resnet9"], "there is no network 'resnet9'"),
    ],
)
def test_a_wrong_config_is_one_sentence(arguments, words, capsys):
    command, calls = recorded(PRETRAINING)
    assert command.main(arguments) == 2 and not calls
    printed = capsys.readouterr().err
    assert printed.startswith("error: ") and words in printed and printed.count("\n") == 1


def test_a_config_file_that_returns_something_else_is_not_called_missing(tmp_path, capsys):
    file = tmp_path / "mine.py"
    file.write_text("def get_config():\n    return {}\n")
    assert recorded(PRETRAINING)[0].main([f"--config={file}"]) == 2
    assert f"get_config() in {file} returns a dict: it must return a ConfigDict." in capsys.readouterr().err


def test_a_mistake_in_a_config_file_is_not_blamed_on_the_command_line(tmp_path, capsys):
    file = tmp_path / "mine.py"
    file.write_text(
        "import ml_collections\n\ndef get_config():\n    return ml_collections.ConfigDict().metod\n"
    )
    assert recorded(PRETRAINING)[0].main([f"--config={file}"]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("error: get_config() failed: ") and "metod" in printed


def test_a_missing_required_flag(capsys):
    command = Command("lack", "Lacks.", lambda **given: 0, (Flag("run", "", "A directory.", required=True),))
    assert command.main([]) == 2
    assert capsys.readouterr().err == "error: give --run, a directory.\n"


@pytest.mark.parametrize(
    "signal, words",
    [(KeyboardInterrupt(), "interrupted."), (Interrupted("Step 3 is kept."), "Step 3 is kept.")],
)
def test_ctrl_c_ends_a_command_with_a_sentence_and_status_130(signal, words, capsys):
    def work():
        raise signal

    assert Command("work", "Works.", work).main([]) == 130
    assert capsys.readouterr().err == f"{words}\n"


def test_a_methods_checks_print_a_line_each_and_a_failing_one_ends_with_status_1(monkeypatch, capsys):
    from contrastive_jax import conformance

    def wrong():
        raise AssertionError("it differs\nsomewhere")

    monkeypatch.setattr(
        conformance, "checks", lambda name: [(f"{name} is fine", lambda: None), ("it agrees", wrong)]
    )
    assert main(["selftest", "--method=my_lab.methods:Mine"]) == 1
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split() == ["my_lab.methods:Mine", "is", "fine", "ok"]
    assert printed[1].startswith("it agrees") and printed[1].endswith(
        "FAILS  AssertionError: it differs somewhere"
    )
    assert printed[-1] == "1 of 2 checks of 'my_lab.methods:Mine' pass."
