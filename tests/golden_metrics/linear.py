"""Group `linear`: the reference codes' linear evaluations, run through ours."""

import dataclasses
import math

import jax.numpy as jnp
import numpy as np
from golden_metric import MetricCase, NotCovered

from contrastive_jax.evaluate import linear, selection
from contrastive_jax.evaluate.protocol import Protocol
from contrastive_jax.train.optimizers import SGD
from contrastive_jax.train.schedules import Constant, Cosine, Step

SEQUENTIAL = "sequential, same every epoch, last batch partial"
SUPCONTRAST = """batch_size order val_batch epochs lr decay_epochs decay_rate weight_decay momentum
    cosine warm warm_epochs warmup_from warmup_to"""


def supcontrast(case: MetricCase):
    case.expect(
        params=SUPCONTRAST, arrays="in_(x|y|xval|yval|W0|b0) out_(W|b|lr|train_loss|train_acc|val_acc)"
    )
    heads = {"final": _head(case.array("in_W0"), case.array("in_b0"))}
    protocol = _supcontrast_protocol(case)
    result, top1 = _evaluate(
        case, {"final": case.array("in_x")}, {"final": case.array("in_xval")}, heads, protocol
    )
    return _backbone(result, "final") | {"out_lr": _epoch_rates(protocol), "out_val_acc": top1["final"]}


def selfcon_subnet(case: MetricCase):
    """x[:, 0] is the sub-network's feature, x[:, 1] the backbone's; the train arrays are the backbone's."""
    case.expect(
        params=SUPCONTRAST,
        arrays="""in_(x|y|xval|yval|W0|b0|sub_W0|sub_b0) out_(W|b|sub_W|sub_b|lr|train_loss|train_acc)
            out_best_(backbone|sub|ensemble)""",
    )
    x, val = case.array("in_x"), case.array("in_xval")
    heads = {
        "sub": _head(case.array("in_sub_W0"), case.array("in_sub_b0")),
        "final": _head(case.array("in_W0"), case.array("in_b0")),
    }
    train, test = ({"sub": a[:, 0], "final": a[:, 1]} for a in (x, val))
    protocol = _supcontrast_protocol(case)
    result, _ = _evaluate(case, train, test, heads, protocol)
    best = {name: values[1:] for name, values in result.best_test_epoch.items()}
    sub = result.heads["sub"]["sub"]
    return _backbone(result, "final") | {
        "out_sub_W": sub["kernel"].T,
        "out_sub_b": sub["bias"],
        "out_lr": _epoch_rates(protocol),
        "out_best_backbone": best["final"],
        "out_best_sub": best["sub"],
        "out_best_ensemble": best["ensemble"],
    }


def mocov3(case: MetricCase):
    case.expect(
        params="lr batch_size init_lr epochs val_batch b0 order",
        arrays="in_(x|y|xval|yval|W0) out_(W|b|lr|val_acc)",
    )
    case.choice("order", SEQUENTIAL), case.choice("b0", "zeros")
    kernel = case.array("in_W0")
    protocol = Protocol(
        epochs=case.param("epochs"),
        batch_size=case.param("batch_size"),
        learning_rates=(case.number("lr"),),
        lr_scaling="linear",
        schedule=Cosine(per="epoch"),
        shuffle=False,
    )
    if not math.isclose(
        float(linear.peaks(protocol.learning_rates, protocol)[0]), case.param("init_lr"), rel_tol=1e-6
    ):
        raise NotCovered("init_lr is not lr * batch_size / 256")
    heads = {"final": _head(kernel, np.zeros(len(kernel), kernel.dtype))}
    result, top1 = _evaluate(
        case, {"final": case.array("in_x")}, {"final": case.array("in_xval")}, heads, protocol
    )
    answers = _backbone(result, "final")
    return {"out_W": answers["out_W"], "out_b": answers["out_b"]} | {
        "out_lr": _epoch_rates(protocol),
        "out_val_acc": top1["final"],
    }


def mcl_lincls(case: MetricCase):
    case.expect(params="batch lr schedule", arrays="in_(x|y|W) out_(reported_acc|true_acc|lr)")
    kernel, epochs = case.array("in_W"), len(case.array("out_lr"))
    heads = {"final": _head(kernel, np.zeros(len(kernel), kernel.dtype))}
    top = selection.accuracy(heads, {"final": case.array("in_x")}, case.array("in_y"))
    step = Protocol(
        epochs=epochs, learning_rates=(case.number("lr"),), schedule=Step(tuple(case.param("schedule")))
    )
    return {"out_true_acc": top["final"][0], "out_lr": _epoch_rates(step)}


def recipes(case: MetricCase):
    case.expect(params="recipes", arrays="out_.*")
    answers = {}
    for name, recipe in case.param("recipes").items():
        if recipe["rule"] == "step, 1-based, decays when epoch > milestone":
            schedule = Step(tuple(recipe["milestones"]), float(recipe["decay"]))
        elif recipe["rule"] == "cosine, 0-based, to 0":
            schedule = Cosine(per="epoch")
        else:
            raise NotCovered(f"the rule '{recipe['rule']}'")
        protocol = Protocol(epochs=recipe["epochs"], learning_rates=(float(recipe["lr"]),), schedule=schedule)
        answers[f"out_{name}"] = _epoch_rates(protocol)
    return answers


def finetune_sgd_nesterov(case: MetricCase):
    """Step by step: the same `train_step` that serves features made anew for every batch."""
    case.expect(params="steps batch lr wd momentum order", arrays="in_(x|y|W0) out_(W|b|lr)")
    case.choice(
        "order", "consecutive batches in order, repeated cyclically for `steps` steps; bias starts at 0"
    )
    x, y, kernel = case.array("in_x"), case.array("in_y"), case.array("in_W0")
    steps, batch, lr = case.param("steps"), case.param("batch"), case.number("lr")
    if len(x) % batch:
        raise NotCovered("the last batch would be partial, and the order does not say how it wraps")
    protocol = Protocol(
        epochs=steps,
        batch_size=batch,
        learning_rates=(lr,),
        optimizer=SGD(case.number("momentum"), nesterov=True, weight_decay=case.number("wd")),
        schedule=Cosine(),
    )
    heads = {"final": _head(kernel, np.zeros(len(kernel), kernel.dtype))}
    state = linear.init_state(heads, protocol.learning_rates, protocol)
    peaks, weights = linear.peaks(protocol.learning_rates, protocol), jnp.ones(batch)
    for step in range(steps):
        rows = (step * batch + np.arange(batch)) % len(x)
        state, *_ = linear.train_step(
            state,
            peaks,
            {"final": x[rows]},
            jnp.asarray(y[rows]),
            weights,
            protocol=protocol,
            steps_per_epoch=1,
        )
    head = state.heads["final"]
    rates = protocol.schedule.schedule(lr, epochs=steps, steps_per_epoch=1)(jnp.arange(steps))
    return {"out_W": head["kernel"][0].T, "out_b": head["bias"][0], "out_lr": rates}


def _supcontrast_protocol(case: MetricCase) -> Protocol:
    case.choice("order", SEQUENTIAL)
    warmup = {"warmup_epochs": case.number("warm_epochs"), "warmup_from": case.number("warmup_from")}
    warmup = warmup if case.param("warm") else {}
    if case.param("cosine"):
        schedule = Cosine(
            per="epoch_end", spans="all_epochs", final_fraction=case.number("decay_rate") ** 3, **warmup
        )
    else:
        schedule = Step(tuple(case.param("decay_epochs")), case.number("decay_rate"), **warmup)
    return Protocol(
        epochs=case.param("epochs"),
        batch_size=case.param("batch_size"),
        learning_rates=(case.number("lr"),),
        optimizer=SGD(case.number("momentum"), weight_decay=case.number("weight_decay")),
        schedule=schedule,
        shuffle=False,
    )


def _evaluate(case: MetricCase, train, test, heads, protocol):
    labels, val_labels = case.array("in_y"), case.array("in_yval")
    top1 = {exit: [] for exit in heads}

    def keep(stage, epoch):
        for exit, top in selection.accuracy(epoch.heads, test, val_labels).items():
            top1.setdefault(exit, []).append(float(top[0, 0]))

    classes = next(iter(heads.values()))["bias"].shape[0]
    result = selection.evaluate(
        train, labels, test, val_labels, classes=classes, protocol=protocol, heads=heads, on_epoch=keep
    )
    return result, top1


def _backbone(result: selection.LinearResult, exit: str):
    head = result.heads[exit][exit]
    return {
        "out_W": head["kernel"].T,
        "out_b": head["bias"],
        "out_train_loss": result.train_loss[exit],
        "out_train_acc": result.train_top1[exit],
    }


def _head(kernel: np.ndarray, bias: np.ndarray):
    """torch keeps [classes, dim]."""
    return {"kernel": jnp.asarray(kernel.T), "bias": jnp.asarray(bias)}


def _epoch_rates(protocol: Protocol, steps: int = 7):
    """Learning rate of each epoch without the warm-up, which the references report apart."""
    peak = linear.peaks(protocol.learning_rates, protocol)[0]
    schedule = protocol.schedule
    if not isinstance(schedule, Constant):
        schedule = dataclasses.replace(schedule, warmup_epochs=0.0)
    rate = schedule.schedule(peak, epochs=protocol.epochs, steps_per_epoch=steps)
    rates = np.asarray(rate(jnp.arange(protocol.epochs * steps))).reshape(-1, steps)
    assert np.all(rates == rates[:, :1]), "the rate moves within an epoch"
    return rates[:, 0]


STEMS = {
    "supcontrast": supcontrast,
    "selfcon_subnet": selfcon_subnet,
    "mocov3": mocov3,
    "mcl_lincls": mcl_lincls,
    "schedules": recipes,
    "finetune_sgd_nesterov": finetune_sgd_nesterov,
}
