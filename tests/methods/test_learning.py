"""Short runs on real images: each method's encoder beats the untrained one, judged by the real evaluation.

All are long tests: what `make test` leaves out here, `make quickstart` does for SelfCon-S, and CI runs it.
"""

import json

import pytest
from commandline import ROOT, run
from tiny import METHODS

RECIPE = (
    "--config.epochs=2.0",
    "--config.batch_size=64",
    "--config.network.stem=patch2",
    "--config.network.width=16",
    "--config.augment.crop_scale=(0.5,1.0)",
    "--config.augment.jitter_probability=0.0",
    "--config.learning_rate.peak=0.1",
    "--config.learning_rate.scaling=none",
    "--config.schedule.name=cosine",
    "--config.schedule.per=step",
    "--config.schedule.spans=after_warmup",
    "--config.schedule.warmup_epochs=0.3",
    "--config.schedule.warmup_from=0.0",
)
HEADS = ("--config.head.hidden=128", "--config.head.dim=64")
TEACHER = ("--config.method.teacher_momentum=0.99",)
PREDICTOR = (*TEACHER, "--config.method.predictor_hidden=128")
PLAIN = (*HEADS, "--config.augment.blur_probability=(0.0,)", "--config.augment.solarize_probability=(0.0,)")
LAYERS = (
    *PLAIN,
    "--config.network.subnetworks=('block1','block2')",
    "--config.method.layer_hidden=64",
    "--config.learning_rate.peak=0.002",  # AdamW
)
LARS = ("--config.learning_rate.peak=2.0", "--config.network.residual_scale=1.0")
QUEUE = (*TEACHER, "--config.method.queue_size=1024")
CASES = {
    "supcon": (5.0,),
    "supcon_in": (5.0,),
    "supcon_bank": (5.0,),
    "supcon_queue": (5.0, *QUEUE),
    "supcon_joint": (5.0,),
    "supcon_large_margin": (5.0,),
    "supcon_n_pairs": (5.0,),
    "supcon_triplet": (5.0,),
    "cross_entropy": (5.0,),
    "simclr": (1.0,),
    "supcon_s": (5.0,),
    "selfcon_s": (5.0,),
    "selfcon_m": (5.0,),
    "selfcon_mu": (1.0,),
    "selfcon_m_joint": (5.0,),
    "selfcon_s_bank": (5.0,),
    "selfcon_1stage_sd": (5.0,),
    "selfcon_1stage_byol": (5.0,),
    "selfcon_1stage_crd": (5.0, "--config.method.negatives=512"),
    "selfcon_1stage_mlcpc": (5.0, "--config.method.negatives=512"),
    "selfcon_1stage_compress": (5.0, "--config.method.queue_size=1024"),
    "selfcon_1stage_selfcon": (5.0,),
    "selfcon_1stage_released": (5.0,),
    "byol": (5.0, *PLAIN, *PREDICTOR, *LARS),
    "moco": (5.0, *QUEUE, *HEADS),
    "moco_v3": (5.0, *PLAIN, *PREDICTOR, *LARS),
    "sdssl_moco_v3": (6.0, *LAYERS, *PREDICTOR),
    "sdssl_byol": (6.0, *LAYERS, *PREDICTOR),
    "sdssl_simclr": (6.0, *LAYERS),
    "sdssl_simclr_same_view": (6.0, *LAYERS),
    "mcl": (10.0, "--config.sampler.per_class=8"),
    "mcl_bank": (10.0, "--config.method.negatives=512"),
    "mcl_moco": (5.0, *QUEUE),
    "intriguing_nt_xent": (3.0, *LARS),
    "intriguing_decoupled": (3.0, *LARS),
    "intriguing_decoupled_paper": (3.0, *LARS),
    "intriguing_swd": (3.0, *LARS),
}
"""Points of linear accuracy on the backbone's exit that two epochs of 10,000 images must bring, and the overrides that
a method needs at this scale."""
NOT_LEARNING = {
    "selfcon_su": "two exits that see the same image agree too easily (SelfCon, App. G)",
    "selfcon_mu_joint": "as released: the other view of an image is a negative",
}
ELSEWHERE = {"mcl_sharded": "equal to mcl, step by step (test_mcl_sharded.py)"}


def plain(name: str) -> str:
    """A name without case and underscores, as methods are found."""
    return name.replace("_", "").lower()


CONFIGS = {file.stem: plain(file.stem) for file in (ROOT / "configs").glob("*.py")}
KNOWN = {*map(plain, METHODS)} - {*map(plain, (*CASES, *NOT_LEARNING, *ELSEWHERE))}
CASES |= {name: (1.0,) for name, found in CONFIGS.items() if found in KNOWN}  # a new method needs no row


def train(method: str, workdir, *overrides: str) -> None:
    config = f"--config=configs/{method}.py:fashion_mnist,resnet8"
    run("main", config, *RECIPE, *overrides, f"--workdir={workdir}", optimized=True)


@pytest.mark.slow
@pytest.mark.parametrize("method", CASES)
def test_trained_encoder_beats_untrained(method, tmp_path):
    margin, *overrides = CASES[method]
    train(method, tmp_path, *overrides)
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
    print(f"{method}: {top1['linear, final']:.2f}, untrained {top1['untrained encoder, linear, final']:.2f}")
    assert "untrained encoder, linear, final" in printed and "raw pixels" in printed
    assert top1["linear, final"] >= top1["untrained encoder, linear, final"] + margin, top1
    assert found["step"] == 312 and found["best_test_epoch"]["final"][1] >= top1["linear, final"]


@pytest.mark.slow
@pytest.mark.parametrize("method", NOT_LEARNING)
def test_what_does_not_learn_is_said_in_words(method, tmp_path):
    train(method, tmp_path)
    health = json.loads((tmp_path / "summary.json").read_text())["health"]
    assert "'final' is no better than untrained" in health or "collapsed" in health, health


def test_every_method_has_a_config_with_which_it_learns():
    learning = {plain(name) for name in (*CASES, *NOT_LEARNING)}
    assert learning == {plain(name) for name in METHODS} - {plain(name) for name in ELSEWHERE}
    assert not set(CASES) - CONFIGS.keys()
