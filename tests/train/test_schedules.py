"""A learning rate that never gets where the config says it should is announced before the first step."""

import pytest

from contrastive_jax.train.schedules import Constant, Cosine, Exponential, Step, trap

PER_EPOCH = 10
SUPCONTRAST = Cosine(per="epoch_end", spans="all_epochs", final_fraction=1e-3)


@pytest.mark.parametrize(
    ("schedule", "epochs", "words"),
    [
        (Cosine(warmup_epochs=10), 5, "still rises at the last of the 50 steps, to 0.245 (the peak is 0.5)"),
        (Cosine(warmup_epochs=10), 10, "still rises"),
        (Step(milestones=(3,), warmup_epochs=10), 2, "--config.schedule.warmup_epochs"),
        (SUPCONTRAST, 1, "at most 0.0005 in these 10 steps (the peak is 0.5)"),
        (Cosine(warmup_epochs=10), 11, ""),
        (Cosine(), 1, ""),
        (SUPCONTRAST, 10, ""),
        (Exponential(warmup_epochs=1), 350, ""),
        (Constant(), 1, ""),
        (Cosine(), 0.1, ""),
    ],
)
def test_trap(schedule, epochs, words):
    built = schedule.schedule(0.5, epochs=epochs, steps_per_epoch=PER_EPOCH)
    found = trap(built, 0.5, round(epochs * PER_EPOCH))
    assert (words in found) if words else not found, found
