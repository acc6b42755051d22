"""Short runs on real images: each method's encoder beats the untrained one, judged by the real evaluation."""

import json

import pytest
from commandline import run

# method: margin in points of linear accuracy on the backbone's exit that two epochs of 10,000 images must bring
MARGINS = {"selfcon_s": 5.0, "supcon": 5.0, "supcon_s": 5.0, "cross_entropy": 5.0, "simclr": 1.0}
RECIPE = (
    "--config.epochs=2.0",
    "--config.batch_size=64",
    "--config.network.stem=patch2",
    "--config.network.width=16",
    "--config.augment.crop_scale=(0.5,1.0)",
    "--config.augment.jitter_probability=0.0",
    "--config.learning_rate.peak=0.1",
    "--config.learning_rate.scaling=none",
    "--config.schedule.per=step",
    "--config.schedule.spans=after_warmup",
    "--config.schedule.warmup_epochs=0.3",
    "--config.schedule.warmup_from=0.0",
)
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in MARGINS if name != "selfcon_s"]


@pytest.mark.parametrize("method", ["selfcon_s", *SLOW])
def test_trained_encoder_beats_untrained(method, tmp_path):
    config = f"--config=configs/{method}.py:fashion_mnist,resnet8"
    run("main", config, *RECIPE, f"--workdir={tmp_path}", optimized=True)
    printed = run(
        "linear_eval",
        "--config=configs/linear_eval.py:quick",
        f"--config.pretrained={tmp_path}",
        "--config.protocol.learning_rates=(0.3,1.0)",
        "--config.protocol.epochs=10",
        "--config.schedule.milestones=(6,8)",
        optimized=True,
    )
    found = json.loads((tmp_path / "linear_eval" / "summary.json").read_text())
    top1 = found["top1"]
    assert "untrained encoder, linear, final" in printed and "raw pixels" in printed
    assert top1["linear, final"] >= top1["untrained encoder, linear, final"] + MARGINS[method], top1
    assert found["step"] == 312 and found["best_test_epoch"]["final"][1] >= top1["linear, final"]
