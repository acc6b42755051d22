"""The linear evaluation: heads trained together are heads trained alone; the test set chooses nothing."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from contrastive_jax.errors import InputError
from contrastive_jax.evaluate import linear, selection
from contrastive_jax.evaluate.accuracy import hits, with_ensemble
from contrastive_jax.evaluate.protocol import Protocol
from contrastive_jax.train.optimizers import LARS, RMSProp
from contrastive_jax.train.schedules import Cosine

CLASSES = 4
PROTOCOL = Protocol(epochs=4, batch_size=32, learning_rates=(0.001, 0.3, 3.0), schedule=Cosine(), holdout=0.2)


def features(n: int, seed: int = 0, noise: float = 1.0):
    """Two exits of different widths: class centres and noise; the second exit is the better one."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(CLASSES, size=n)
    centres = np.random.default_rng(99).normal(size=(CLASSES, 12))
    clean = centres[labels]
    exits = {
        "block1": clean[:, :5] + 2 * noise * rng.normal(size=(n, 5)),
        "final": clean + noise * rng.normal(size=(n, 12)),
    }
    return {exit: x.astype(np.float32) for exit, x in exits.items()}, labels


TRAIN, LABELS = features(150)
TEST, TEST_LABELS = features(80, seed=1)


def evaluate(test_labels=TEST_LABELS, test=TEST, train=TRAIN, labels=LABELS, protocol=PROTOCOL, **options):
    return selection.evaluate(train, labels, test, test_labels, classes=CLASSES, protocol=protocol, **options)


@pytest.fixture(scope="module")
def result():
    return evaluate()


def test_nothing_is_chosen_on_the_test_set(result):
    other = evaluate(test_labels=(TEST_LABELS + 1) % CLASSES, test={e: 5 * x[::-1] for e, x in TEST.items()})
    assert other.rate == result.rate and other.held_out == result.held_out
    assert other.train_loss == result.train_loss
    jax.tree.map(np.testing.assert_array_equal, other.heads, result.heads)
    assert other.top1 != result.top1  # the test set does count for what is reported


def test_the_rate_is_the_best_one_on_the_slice(result):
    assert set(result.rate) == {"block1", "final", "ensemble"}
    for name, by_rate in result.held_out.items():
        assert tuple(by_rate) == PROTOCOL.learning_rates
        assert by_rate[result.rate[name]] == max(by_rate.values())
    assert result.rate["final"] != 0.001  # too small for four epochs


def test_equal_accuracies_are_decided_by_the_loss_on_the_slice():
    """Every rate is right on all of a saturated encoder's slice; the first listed has hardly begun to learn."""
    saturated = {"final": np.eye(CLASSES, dtype=np.float32)[LABELS]}
    protocol = dataclasses.replace(PROTOCOL, learning_rates=(0.01, 1.0, 0.1), init="zeros")
    test = {"final": np.eye(CLASSES, dtype=np.float32)}
    found = evaluate(np.arange(CLASSES), test, saturated, protocol=protocol)
    assert set(found.held_out["final"].values()) == {100.0} and found.rate["final"] == 1.0
    kept, held = selection.holdout_split(LABELS, protocol.holdout, protocol.seed)
    *_, last = linear.fit(saturated, LABELS, classes=CLASSES, protocol=protocol, rows=kept)
    scores = linear.logits(last.heads, {"final": saturated["final"][held]})["final"]
    expected = -jax.nn.log_softmax(scores)[:, np.arange(len(held)), LABELS[held]].mean(axis=1)
    np.testing.assert_allclose([*found.held_out_loss["final"].values()], expected, rtol=1e-5)


def test_a_loss_that_is_no_number_never_decides():
    assert selection.best_rate({1.0: 90.0, 2.0: 90.0, 3.0: 80.0}, {1.0: np.nan, 2.0: 0.5, 3.0: 0.1}) == 2.0


def test_the_slice_itself_is_never_trained_on():
    """Wrong labels on the slice alone change what is measured there, not the heads that are measured."""
    _, held = selection.holdout_split(LABELS, PROTOCOL.holdout, PROTOCOL.seed)
    finals = []
    for labels in (LABELS, np.where(np.isin(np.arange(len(LABELS)), held), (LABELS + 1) % CLASSES, LABELS)):
        kept = np.setdiff1d(np.arange(len(LABELS)), held)
        *_, last = linear.fit(TRAIN, labels, classes=CLASSES, protocol=PROTOCOL, rows=kept)
        finals.append(last.heads)
    jax.tree.map(np.testing.assert_array_equal, *finals)


def test_learns_and_reports_the_last_epoch(result):
    assert result.top1["final"] > 75 > 60 > result.top1["block1"] > 25
    assert result.train_top1["final"][-1] > result.train_top1["final"][0]
    assert len(result.train_loss["final"]) == PROTOCOL.epochs
    for name, (epoch, top1, top5) in result.best_test_epoch.items():
        assert top1 >= result.top1[name] and top5 == 100 and 1 <= epoch <= PROTOCOL.epochs


def test_reported_accuracy_is_that_of_the_reported_heads(result):
    for name, heads in result.heads.items():
        scores = with_ensemble(linear.logits(heads, {exit: TEST[exit] for exit in heads}))[name]
        expected = 100 * np.mean(np.argmax(scores, axis=-1) == TEST_LABELS)
        assert result.top1[name] == pytest.approx(expected)


def test_a_single_rate_is_not_chosen():
    single = evaluate(protocol=dataclasses.replace(PROTOCOL, learning_rates=(0.5,)))
    assert single.held_out == {} and set(single.rate.values()) == {0.5}


def test_a_diverging_rate_is_neither_chosen_nor_scored():
    result = evaluate(protocol=dataclasses.replace(PROTOCOL, learning_rates=(1e38, 0.3)))
    assert set(result.rate.values()) == {0.3}
    assert result.held_out["final"][1e38] < 50


@pytest.mark.parametrize("optimizer", [PROTOCOL.optimizer, LARS(), RMSProp()])
def test_together_is_alone(optimizer):
    """Every (rate, exit) gets what it gets when it is trained by itself."""
    protocol = dataclasses.replace(PROTOCOL, epochs=2, optimizer=optimizer, init="zeros")
    options = dict(classes=CLASSES, protocol=protocol)
    *_, together = linear.fit(TRAIN, LABELS, **options)
    *_, alone = linear.fit({"final": TRAIN["final"]}, LABELS, rates=(0.3,), **options)
    for leaf in ("kernel", "bias"):
        ours, theirs = together.heads["final"][leaf][1], alone.heads["final"][leaf][0]
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_gradient_descent_by_hand():
    """One full-batch step from zero: kernel = lr x^T (onehot - 1/classes) / n, also with a partial batch."""
    protocol = Protocol(epochs=1, batch_size=200, learning_rates=(0.7,), init="zeros", schedule=Cosine())
    (epoch,) = linear.fit(TRAIN, LABELS, classes=CLASSES, protocol=protocol)
    residual = np.eye(CLASSES)[LABELS] - 1 / CLASSES
    expected = 0.7 * TRAIN["final"].T @ residual / len(LABELS)
    np.testing.assert_allclose(epoch.heads["final"]["kernel"][0], expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(epoch.loss["final"], np.log(CLASSES), rtol=1e-5)
    np.testing.assert_allclose(epoch.accuracy["final"], 100 * np.mean(LABELS == 0), rtol=1e-5)


def test_steps_on_single_batches_are_the_epoch():
    protocol = dataclasses.replace(PROTOCOL, shuffle=False)
    start = linear.init_state(linear.init_heads({"final": 12}, CLASSES, protocol), (0.3,), protocol)
    peaks, steps = linear.peaks((0.3,), protocol), 5
    state = start
    for step in range(steps):
        rows = slice(32 * step, min(32 * (step + 1), 150))
        weights = jnp.ones(len(LABELS[rows]))
        state, *_ = linear.train_step(
            state,
            peaks,
            {"final": TRAIN["final"][rows]},
            jnp.asarray(LABELS[rows]),
            weights,
            protocol=protocol,
            steps_per_epoch=steps,
        )
    first = next(
        iter(linear.fit({"final": TRAIN["final"]}, LABELS, classes=CLASSES, protocol=protocol, rates=(0.3,)))
    )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), state.heads, first.heads
    )


def test_features_made_anew_for_every_epoch():
    seen = []

    def anew(epoch):
        seen.append(epoch)
        return TRAIN

    with pytest.raises(InputError, match="clean"):
        evaluate(train=anew)
    seen.clear()
    result, cached = evaluate(train=anew, clean=TRAIN), evaluate()
    assert seen == [*range(PROTOCOL.epochs)] * 2  # once to choose, once to train
    jax.tree.map(np.testing.assert_array_equal, result.heads, cached.heads)


def test_one_compilation_for_all_epochs():
    linear.train_epoch.clear_cache()
    for _ in linear.fit(TRAIN, LABELS, classes=CLASSES, protocol=PROTOCOL):
        pass
    assert linear.train_epoch._cache_size() == 1


def test_normalised_features_forget_their_length():
    protocol = dataclasses.replace(PROTOCOL, normalize=True, epochs=1)
    scale = np.random.default_rng(0).uniform(0.5, 2, size=(150, 1)).astype(np.float32)
    epochs = [
        next(iter(linear.fit({"final": x}, LABELS, classes=CLASSES, protocol=protocol)))
        for x in (TRAIN["final"], TRAIN["final"] * scale)
    ]
    np.testing.assert_allclose(*(e.heads["final"]["kernel"] for e in epochs), rtol=1e-3, atol=1e-5)


def test_label_smoothing():
    protocol = dataclasses.replace(PROTOCOL, init="zeros", label_smoothing=0.1, batch_size=150, epochs=1)
    (epoch,) = linear.fit(TRAIN, LABELS, classes=CLASSES, protocol=protocol, rates=(1.0,))
    target = 0.9 * np.eye(CLASSES)[LABELS] + 0.1 / CLASSES
    expected = np.mean(target - 1 / CLASSES, axis=0)
    np.testing.assert_allclose(epoch.heads["final"]["bias"][0], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "init, spread", [("torch", 0.1 / 3**0.5), ("zeros", 0.0), ("normal", 0.01), ("glorot", 0.131)]
)
def test_initial_heads(init, spread):
    heads = linear.init_heads({"a": 100, "b": 100}, 17, dataclasses.replace(PROTOCOL, init=init))
    assert np.std(heads["a"]["kernel"]) == pytest.approx(spread, rel=0.1)
    assert (np.std(heads["a"]["bias"]) > 0) == (init == "torch")
    assert init == "zeros" or np.any(heads["a"]["kernel"] != heads["b"]["kernel"])


def test_holdout_is_seeded_and_in_proportion():
    labels = np.repeat([0, 1, 2], [600, 300, 100])
    kept, held = selection.holdout_split(labels, 0.1, 7)
    assert sorted([*kept, *held]) == [*range(1000)]
    np.testing.assert_array_equal(np.bincount(labels[held]), [60, 30, 10])
    np.testing.assert_array_equal(held, selection.holdout_split(labels, 0.1, 7)[1])
    assert np.any(held != selection.holdout_split(labels, 0.1, 8)[1])


def test_hits_break_ties_by_class_and_miss_on_nan():
    nan = float("nan")
    logits = jnp.array([[1.0, 1, 0], [1, 1, 0], [0, 2, 1], [nan, nan, nan], [0, nan, 0]])
    labels = jnp.array([0, 1, 2, 0, 0])
    np.testing.assert_array_equal(hits(logits, labels, 1), [True, False, False, False, False])
    np.testing.assert_array_equal(hits(logits, labels, 2), [True, True, True, False, True])


def test_the_ensemble_is_the_mean_of_logits():
    exits = {"a": jnp.array([[[1.0, 2.0]]]), "b": jnp.array([[[3.0, 0.0]]])}
    np.testing.assert_allclose(with_ensemble(exits)["ensemble"], [[[2.0, 1.0]]])
    assert set(with_ensemble({"a": exits["a"]})) == {"a"}


@pytest.mark.parametrize(
    "wrong, words",
    [
        (lambda: Protocol(init="zero"), "zeros"),
        (lambda: Protocol(augment="crop"), "crop_flip"),
        (lambda: Protocol(learning_rates=()), "at least one"),
        (lambda: evaluate(protocol=dataclasses.replace(PROTOCOL, holdout=0.0)), "holdout"),
        (lambda: evaluate(test={"block1": TEST["block1"], "final": TEST["final"] * np.nan}), "'final'"),
    ],
)
def test_wrong_input_is_refused(wrong, words):
    with pytest.raises(InputError, match=words):
        wrong()


def test_every_epoch_has_an_order_of_its_own():
    protocol = Protocol(shuffle=True, batch_size=4)
    first, again, second = (linear._batches(np.arange(20), epoch, protocol)[0].ravel() for epoch in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, second)
    assert np.array_equal(np.sort(second), np.arange(20))
