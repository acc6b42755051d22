"""The main job in miniature: pretrain, resume, judge. Also what CI runs on the newest Python and jax."""

import json

from commandline import TINY, error, lines, run


def test_pretrain_and_judge(tmp_path):
    output = run("main", *TINY, f"--workdir={tmp_path}", devices=2)
    assert "eta" in output and "images_per_second" in output
    assert lines(tmp_path)[-1]["step"] == 11
    judge = (
        "--config=configs/linear_eval.py:quick",
        f"--config.pretrained={tmp_path}",
        "--config.protocol.epochs=3",
    )
    printed = run("linear_eval", *judge, devices=2)
    found = json.loads((tmp_path / "linear_eval" / "summary.json").read_text())
    for name in (
        "linear, final",
        "linear, block1",
        "linear, ensemble",
        "20-NN, final",
        "raw pixels, logistic regression",
    ):
        assert name in printed and 0 <= found["top1"][name] <= 100
    assert set(found["rate"]) == {"block1", "final", "ensemble"}
    assert "protocol.seed" in error("linear_eval", *judge, "--config.protocol.seed=1")
