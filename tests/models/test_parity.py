"""Forward parity with the authors' PyTorch networks, whose weights a formula gives: `golden/networks/`.

Our networks take the same weights through `torch_weights`. In both modes, they must give the features, projections and
logits that the originals gave. `golden/networks/make.py` writes the files; `formula.py` contains the formula.
"""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden.networks import formula
from parity_cases import CASES, FOLDER, QUICK, Case

from contrastive_jax.torch_weights import from_torch, to_torch
from contrastive_jax.torch_weights.names import torch_shapes

TOLERANCE = 1e-4
"""Largest deviation, relative to the largest entry of the original's array."""
NAMES = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in CASES]


@pytest.mark.parametrize("name", NAMES)
def test_same_numbers(name):
    found = deviations(name)
    assert max(found.values()) < TOLERANCE, found


def test_every_file_has_a_case():
    assert {path.stem for path in FOLDER.glob("*.npz")} == set(CASES)


def deviations(name: str) -> dict[str, float]:
    """Relative deviation of each recorded array."""
    with np.load(FOLDER / f"{name}.npz") as file:
        recorded = dict(file)
    about = json.loads(str(recorded.pop("about")))
    ours = outputs(CASES[name](), jnp.asarray(formula.images(about["images"])), about["statistics"])
    assert ours.keys() == recorded.keys()
    found = {}
    for key, theirs in recorded.items():
        kept = np.atleast_2d(ours[key])[..., : theirs.shape[-2], :: about["every"][key]]
        assert kept.shape == theirs.shape, key
        found[key] = float(np.abs(kept - theirs).max() / np.abs(theirs).max())
    return found


def outputs(case: Case, images: jax.Array, statistics: str) -> dict[str, np.ndarray]:
    """All arrays in both modes, and the running mean named `statistics` after the pass in train mode."""
    like = jax.eval_shape(case.init, images)
    tensors = {name: formula.filled(name, shape) for name, shape in torch_shapes(like, case.naming).items()}
    variables = from_torch(like, tensors, case.naming)

    @jax.jit
    def run(variables, images):
        evaluated, _ = case.apply(variables, images, False)
        return evaluated, *case.apply(variables, images, True)

    evaluated, trained, new = jax.device_get(run(variables, images))
    after = to_torch({**variables, "batch_stats": new}, case.naming)
    return {
        **{f"eval_{name}": array for name, array in evaluated.items()},
        **{f"train_{name}": array for name, array in trained.items()},
        "train_running_mean": after[f"{statistics}.running_mean"],
    }
