"""The golden runner itself: it can fail, it says what it does not cover, and it honours the targets."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden_case import Case, NotCovered, Plan, bindings, check
from golden_runners import supcon as runner

TOLERANCE = {"rtol": 1e-6, "atol": 1e-8}
FIELDS = {"target": "out", "dtype": "float32", "suggested_tolerance": TOLERANCE}


def case(arrays, **fields):
    return Case(FIELDS | fields, {n: np.asarray(a, np.float32) for n, a in arrays.items()})


def squared(arrays):
    return {"out_loss": jnp.sum(arrays["in_x"] ** 2), "other": jnp.sum(arrays["in_x"])}


PLAN = Plan(squared, {"out_grad_x": ("out_loss", "in_x")})
RIGHT = {"in_x": [1.0, 2.0], "out_loss": 5.0, "out_grad_x": [2.0, 4.0], "ref_x": [2.0, 4.0]}


def test_right_numbers_pass_and_wrong_ones_fail():
    check(case(RIGHT), PLAN)
    with pytest.raises(AssertionError, match="out_grad_x: off by 1 "):
        check(case(RIGHT | {"out_grad_x": [2.0, 5.0]}), PLAN)
    with pytest.raises(AssertionError, match=r"out_loss: shape \(\) instead of \(1,\)"):
        check(case(RIGHT | {"out_loss": [5.0]}), PLAN)


def test_a_nan_never_passes():
    with pytest.raises(AssertionError):
        check(case(RIGHT | {"out_loss": np.nan}), PLAN)


def test_another_array_binds_where_the_target_says_so():
    wrong = RIGHT | {"out_grad_x": [0.0, 0.0]}
    check(case(wrong, target="ref:ref_x"), PLAN)
    check(case(wrong, target_by_array={"out_grad_x": "ref_x"}), PLAN)
    check(case(wrong, target_by_array={"out_grad_x": None}), PLAN)
    with pytest.raises(AssertionError, match="out_loss"):
        check(case(wrong | {"out_loss": 6.0}, target="ref:ref_x"), PLAN)
    with pytest.raises(NotCovered, match="target 'new'"):
        bindings({"target": "new"}, {"out_grad_x": 0})


def test_gradients_of_parts_are_stacked():
    plan = Plan(squared, {"out_grad_x": [("out_loss", "in_x", 0), ("other", "in_x", 1)]})
    check(case(RIGHT | {"out_grad_x": [2.0, 1.0]}), plan)


def test_an_array_that_nothing_computes_is_not_covered():
    with pytest.raises(NotCovered, match="nothing of ours computes out_more"):
        check(case(RIGHT | {"out_more": 1.0}), PLAN)
    with pytest.raises(NotCovered, match="no gradient of ours is out_grad_y"):
        check(case(RIGHT | {"out_grad_y": 1.0}), PLAN)


HYPER = {"temperature": 0.1, "base_temperature": 0.1, "contrast_mode": "all", "no_positive": "keep"}


@pytest.mark.parametrize(
    "variant, change, message",
    [
        ("pairs/all", {}, "variant 'pairs/all'"),
        ("labels/one", {}, "variant 'labels/one'"),
        ("labels/all", {"contrast_mode": "some"}, "'some' is none of all, one"),
        ("labels/all", {"no_positive": "sum"}, "'sum' is none of keep"),
    ],
)
def test_unknown_combinations_are_not_guessed(variant, change, message):
    with pytest.raises(NotCovered, match=message):
        runner.plan(case({}, variant=variant, hyperparameters=HYPER | change))


def test_a_missing_hyper_parameter_is_not_guessed():
    with pytest.raises(NotCovered, match="no hyper-parameter 'temperature'"):
        runner.plan(case({}, variant="labels/all", hyperparameters={}))


def test_float64_cases_are_computed_in_float64():
    x = np.array([1.0, 1e-9])
    exact = Case(FIELDS | {"dtype": "float64", "suggested_tolerance": {"rtol": 0, "atol": 0}}, {})
    with jax.enable_x64(True):
        check(Case(exact.fields, {"in_x": x, "out_loss": np.sum(x**2), "out_grad_x": 2 * x}), PLAN)


def test_every_case_is_dispatched_without_its_name(pytestconfig):
    """Manifest entries name everything a runner may look at; ids and file names are not read by any."""
    folder = pytestconfig.rootpath / "tests" / "golden_runners"
    for path in folder.glob("*.py"):
        assert not any(word in path.read_text() for word in ('"id"', '"file"')), path.name
    cases = json.loads((pytestconfig.rootpath / "tests/golden/losses/manifest.json").read_text())["cases"]
    assert {case["family"] for case in cases} <= {path.stem for path in folder.glob("*.py")}
