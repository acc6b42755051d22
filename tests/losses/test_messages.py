"""What a newcomer is told, in the words of the call; and that the losses need only jax, numpy and jaxtyping."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from contrastive_jax import losses

SCRIPT = pathlib.Path(__file__).parent / "messages.py"
UNIT = "expects unit length: pass losses.l2_normalize"
EXPECTED = {
    "right": None,
    "numpy": None,
    "no view axis": "InputError: z has shape (8, 16); supcon expects [sample, view, dim]: "
    "add the view axis with z[:, None].",
    "no exit axis": "InputError: exits has shape (8, 16); selfcon_s expects [sample, exit, dim]: "
    "add the exit axis with exits[:, None].",
    "under jit": "InputError: z has shape (8, 16); supcon expects [sample, view, dim]: "
    "add the view axis with z[:, None].",
    "too many axes": "InputError: q has shape (8, 2, 16); moco expects [sample, dim]: "
    "pass one view at a time, q[:, 0].",
    "short label": "InputError: label has shape (7,); supcon expects [sample] with sample = 8, as in z.",
    "float label": "InputError: label has dtype float32; supcon expects signed whole numbers: label.astype(int).",
    "unsigned label": "InputError: label has dtype uint8; supcon expects signed whole numbers: label.astype(int).",
    "one-hot label": "InputError: label has shape (8, 4); supcon expects [sample]: class indices. "
    "For one-hot rows pass jnp.argmax(label, axis=-1).",
    "list label": "InputError: label is of type list; supcon expects an array: jnp.asarray(label).",
    "views": "InputError: q has shape (8, 1, 16); moco_v3_symmetric expects [sample, 2, dim].",
    "one view": "InputError: z has shape (8, 1, 16); nt_xent expects [sample, view, dim] with at least two views: "
    "stack them with jnp.stack([first, second], axis=1).",
    "no views": "InputError: z has shape (8, 16); decoupled_nt_xent expects [sample, 2, dim]: "
    "stack both views with jnp.stack([first, second], axis=1).",
    "dims": "InputError: queue has shape (4, 3); moco expects [slot, dim] with dim = 16, as in q.",
    "cohort": "InputError: v[1] has shape (6, 16); vcl expects [sample, dim] with sample = 8, as in v[0].",
    "one network": "InputError: The cohort is too small: a loss over pairs of networks needs at least two.",
    "prior": "InputError: prior has shape (8, 16); generalized_swd expects [2*sample, dim] "
    "with 2*sample = 16, as in z.",
    "leading axes": "InputError: z has shape (8, 16); byol expects [*batch, dim] with *batch = (8, 2), as in q.",
    "whole numbers": "InputError: z has dtype int32; alignment expects floating-point numbers.",
    "no sub-network": "InputError: exits has shape (8, 2, 1, 16), a backbone alone: "
    "stack the outputs of at least one sub-network before it.",
    "tau": "InputError: tau is 0; supcon expects a number above 0.",
    "negative tau": "InputError: tau is -1.0; supcon expects a number above 0.",
    "no tau": "TypeError: supcon() missing 1 required keyword-only argument: 'tau'",
    "nested": "InputError: bank has shape (4, 3); selfcon_s_bank expects [slot, dim] with dim = 16, as in exits.",
    "array tau": "InputError: tau is 0.0; supcon expects a number above 0.",
    "full queue": "InputError: z has shape (8, 16); push expects at most 4 embeddings of dimension 16.",
    "other queue": "InputError: z has shape (8, 16); push expects at most 9 embeddings of dimension 3.",
    "top1 of arrays": "InputError: contrastive_top1 expects Rows, such as similarity.Rows.of_views(z, label).",
    "implementation": "InputError: Unknown similarity implementation 'block': did you mean 'blockwise'?",
    "long": f"UnnormalizedWarning: z has a row of length 2; supcon {UNIT}(z). (messages.py)",
    "long, nested": f"UnnormalizedWarning: exits has a row of length 2; selfcon_su {UNIT}(exits). "
    "(messages.py)",
    "long, cohort": f"UnnormalizedWarning: v[1] has a row of length 2; vcl {UNIT}(v[1]). (messages.py)",
    "long, bfloat16": None,
    "long, zero": None,
    "long, jit": None,
    "long, constant in jit": None,
    "long, grad": None,
    "long, raw is right": None,
    "silenced": None,
    "imported": None,
}


@pytest.fixture(scope="module")
def told():
    env = os.environ | {"PYTHONPATH": str(SCRIPT.parents[2])}
    found = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, env=env)
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


@pytest.mark.parametrize("name", EXPECTED)
def test_the_caller_is_told(name, told):
    assert told[name] == [EXPECTED[name]] * (EXPECTED[name] is not None)


def test_every_call_is_expected(told):
    assert told.keys() == EXPECTED.keys()


def test_the_flat_names_are_sorted_and_exist():
    for room in (losses, losses.variants, losses.mutual_information):
        assert list(room.__all__) == sorted(room.__all__)
        assert all(hasattr(room, name) for name in room.__all__)
    assert issubclass(losses.UnnormalizedWarning, UserWarning)
