"""The record of runs: appended, never changed, and merged into what the command prints."""

import pytest
from commandline import ROOT

from contrastive_jax.__main__ import main
from contrastive_jax.errors import InputError
from contrastive_jax.reproduction import ledger, results

ROW = ledger.find_row(
    ledger.read(ROOT / "reproduction", "selfcon").find_tables("1"), "selfcon-s,resnet-18,cifar-100"
)


def entry(**changed):
    return {
        "paper": "selfcon",
        "table": "Table 1",
        "row": ROW.name,
        "value": 70.0,
        "epochs": 20.0,
        "published_epochs": 1000.0,
        "changed": "",
        "seed": 0,
        "hardware": "1 x a GPU",
        "commit": "abc",
    } | changed


def test_entries_are_appended_and_read_in_order(tmp_path):
    assert results.read(tmp_path) == []
    for value in (1.0, 2.0):
        file = results.append(tmp_path, entry(value=value))
    assert [e["value"] for e in results.read(tmp_path)] == [1.0, 2.0]
    assert file.read_text().count("\n") == 2


def test_a_damaged_line_is_named(tmp_path):
    results.append(tmp_path, entry())
    (tmp_path / results.FILE).open("a").write("{\n")
    with pytest.raises(InputError, match="line 2 of .*results.jsonl is not JSON"):
        results.read(tmp_path)


def test_seeds_are_averaged_and_a_newer_run_of_a_seed_replaces_the_older():
    runs = [
        entry(value=10.0),
        entry(value=70.0),
        entry(seed=1, value=72.0, commit="abc-dirty"),
        entry(epochs=1000.0, value=76.0),
    ]
    assert results.ours(runs) == [
        "71.00 ± 1.41 (2 seeds, SCALED: 20 of 1000 epochs, 1 x a GPU, abc)",
        "76.00 (1 seed, as published, 1 x a GPU, abc)",
    ]
    assert results.ours([entry(changed="network.width=16")]) == [
        "70.00 (1 seed, SCALED: 20 of 1000 epochs, changed: network.width=16, 1 x a GPU, abc)"
    ]
    assert results.ours([]) == ["not run"]


def test_a_run_belongs_to_its_row_alone():
    assert results.of(ROW, [entry(), entry(row="another"), entry(table="Table 2")]) == [entry()]


def test_the_results_in_the_repository_are_of_rows_that_exist():
    rows = {
        (row.paper, row.table, row.name)
        for name in ledger.papers(ROOT / "reproduction")
        for row in ledger.read(ROOT / "reproduction", name).rows
    }
    for run in results.read(ROOT / "reproduction"):
        assert (run["paper"], run["table"], run["row"]) in rows
        assert (
            run["epochs"] <= run["published_epochs"] and run["hardware"] and run["versions"] and run["date"]
        )


def printed(capsys, *arguments) -> str:
    assert main(["reproduce", *arguments]) == 0
    return capsys.readouterr().out


def test_the_command_lists_papers_tables_and_rows(capsys):
    assert "selfcon" in printed(capsys)
    assert "Table 12" in printed(capsys, "--paper=selfcon")
    table = printed(capsys, "--paper=selfcon", "--table=1")
    assert "76.45 ± 0.37" in table and "configs/selfcon_s.py:cifar100,resnet18" in table
    one = printed(
        capsys, "--paper=selfcon", "--table=8", "--row=small after block 3,SelfCon-S,ResNet-50,CIFAR-100"
    )
    assert "\"--config.network.subnetworks=('block3',)\"" in one and "77.18 ± 0.11" in one
    assert "missing    ONE" in printed(capsys, "--paper=mcl", "--table=1")


def test_the_table_shows_our_numbers(capsys, tmp_path):
    for file in (ROOT / "reproduction").glob("*.toml"):
        (tmp_path / file.name).write_text(file.read_text())
    before = printed(capsys, f"--ledger={tmp_path}", "--paper=selfcon", "--table=1", f"--row={ROW.name}")
    results.append(tmp_path, entry())
    after = printed(capsys, f"--ledger={tmp_path}", "--paper=selfcon", "--table=1", f"--row={ROW.name}")
    assert "not run" in before
    assert after == before.replace("not run", results.ours([entry()])[0])
    assert "1 were run" in printed(capsys, f"--ledger={tmp_path}", "--paper=selfcon")


def test_lists_need_no_jax():
    import subprocess
    import sys

    code = (
        "import sys; from contrastive_jax.__main__ import main;"
        "main(['reproduce', '--paper=selfcon', '--table=1']); sys.exit('jax' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True).returncode == 0


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--paper=selfkon"], "did you mean 'selfcon'"),
        (["--paper=selfcon", "--table=99"], "has no table '99'"),
        (["--paper=selfcon", "--table=1", "--row=nothing"], "there is no row 'nothing'"),
        (["--paper=selfcon", "--table=1", "--run"], "--run needs --row"),
        (["--paper=selfcon", "--table=1", f"--row={ROW.name}", "--run"], "--run needs --workdir"),
        (["--run"], "--run needs --paper"),
        (["--paper=selfcon", f"--row={ROW.name}", "--run", "--workdir=x"], "--run needs --table: several"),
        (
            ["--paper=mcl", "--table=1", "--row=wrn-16-2,one,cifar-100", "--run", "--workdir=x"],
            "it lacks ONE",
        ),
        (
            ["--paper=selfcon", "--table=1", f"--row={ROW.name}", "--run", "--workdir=x", "--budget=2"],
            "is not a time",
        ),
        (
            ["--paper=selfcon", "--table=1", f"--row={ROW.name}", "--run", "--workdir=x", "--set=seed=1"],
            "--set cannot change seed",
        ),
        (
            ["--paper=selfcon", "--table=1", f"--row={ROW.name}", "--run", "--workdir=x", "--set=precision"],
            "'precision' is not field=value",
        ),
    ],
)
def test_what_cannot_be_run_is_said_in_a_sentence(arguments, words, capsys):
    assert main(["reproduce", *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error and error.startswith("error: ") and error.count("\n") == 1
