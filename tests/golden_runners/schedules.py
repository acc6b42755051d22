"""Golden family `schedules`: learning rates, and SDSSL's and BYOL's schedules of EMA, alpha and weight decay."""

from typing import Any

import jax
import jax.numpy as jnp
from golden_case import Case, NotCovered, Plan

from contrastive_jax.methods.student_teacher import cosine_momentum, cosine_ramp
from contrastive_jax.train.optimizers import AdamW
from contrastive_jax.train.schedules import Cosine, Step, scaled_peak

SUPCONTRAST = {"learning_rate", "epochs", "batches", "cosine", "warm", "lr_decay_rate", "lr_decay_epochs"}
SUPCONTRAST |= {"warmup_from", "warm_epochs", "warmup_to"}
SDSSL = {"in_step", "out_lr", "out_alpha", "out_ema_momentum", "out_weight_decay"}
BYOL = {"total_steps", "warmup_steps", "batch_size", "base_lr", "base_ema"}


def plan(case: Case) -> Plan:
    known = {
        "adjust_learning_rate + warmup_learning_rate": ({"out_lr_epoch_by_batch"}, SUPCONTRAST, _supcontrast),
        "cosine": ({"out_lr_per_epoch"}, {"init_lr", "epochs", "milestones", "lr_type"}, _mcl),
        "multistep": ({"out_lr_per_epoch"}, {"init_lr", "epochs", "milestones", "lr_type"}, _mcl),
        "cosine_scheduler": (SDSSL, {"epochs", "it", "warm", "lr", "ratio", "m", "weight_decay"}, _sdssl),
        "target_ema, learning_schedule": ({"in_step", "out_ema", "out_lr"}, BYOL, _byol),
    }
    arrays, parameters, build = case.known(case.fields["variant"], known)
    if unknown := (set(case.arrays) - arrays) | (set(case.fields["hyperparameters"]) - parameters):
        raise NotCovered(f"it holds {', '.join(sorted(unknown))}")
    return Plan(build(case))


def _supcontrast(case: Case):
    epochs, batches = case.hyper("epochs"), case.hyper("batches")
    warmup: dict[str, Any] = dict(
        warmup_epochs=float(case.hyper("warm_epochs")), warmup_from=float(case.hyper("warmup_from"))
    )
    warmup = warmup if case.hyper("warm") else {}
    if case.hyper("cosine"):
        floor = case.hyper("lr_decay_rate") ** 3
        schedule = Cosine(per="epoch_end", spans="all_epochs", final_fraction=floor, **warmup)
    else:
        schedule = Step(tuple(case.hyper("lr_decay_epochs")), case.hyper("lr_decay_rate"), **warmup)
    rate = schedule.schedule(case.hyper("learning_rate"), epochs=epochs, steps_per_epoch=batches)
    steps = jnp.arange(epochs * batches).reshape(epochs, batches)
    return lambda arrays: {"out_lr_epoch_by_batch": rate(steps)}


def _mcl(case: Case):
    kinds = {"cosine": Cosine(per="epoch"), "multistep": Step(tuple(case.hyper("milestones")), 0.1)}
    schedule, epochs = case.known(case.hyper("lr_type"), kinds), case.hyper("epochs")
    rate = schedule.schedule(case.hyper("init_lr"), epochs=epochs, steps_per_epoch=3)
    return lambda arrays: {"out_lr_per_epoch": rate(3 * jnp.arange(epochs))}


def _sdssl(case: Case):
    epochs, per_epoch = case.hyper("epochs"), case.hyper("it")
    total = epochs * per_epoch
    rate = Cosine(warmup_epochs=float(case.hyper("warm")), warmup_endpoint=True).schedule(
        case.hyper("lr"), epochs=epochs, steps_per_epoch=per_epoch
    )
    # A case may leave the weight decay out: then it is the authors' 0.1, which is what our AdamW starts from.
    weight_decay = case.hyper("weight_decay") if case.has("weight_decay") else AdamW().weight_decay
    ratio, base = case.hyper("ratio"), case.hyper("m")

    def values(arrays):
        step = arrays["in_step"]
        return {
            "out_lr": rate(step),
            "out_alpha": jax.vmap(lambda t: cosine_ramp(ratio, t, total))(step),
            "out_ema_momentum": jax.vmap(lambda t: cosine_momentum(base, t, total))(step),
            "out_weight_decay": jnp.full(step.shape, weight_decay),
        }

    return values


def _byol(case: Case):
    total, base = case.hyper("total_steps"), case.hyper("base_ema")
    peak = scaled_peak(case.hyper("base_lr"), "linear", batch_size=case.hyper("batch_size"))
    schedule = Cosine(warmup_epochs=float(case.hyper("warmup_steps")))  # an epoch of one step
    rate = schedule.schedule(peak, epochs=total, steps_per_epoch=1)

    def values(arrays):
        momentum = jax.vmap(lambda t: cosine_momentum(base, t, total))(arrays["in_step"])
        return {"out_ema": momentum, "out_lr": rate(arrays["in_step"])}

    return values
