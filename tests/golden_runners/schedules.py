"""Golden family `schedules`: learning rates per epoch or step.

SDSSL's and BYOL's cases also hold schedules of EMA, alpha and weight decay, and so are not covered.
"""

import jax.numpy as jnp
from golden_case import Case, NotCovered, Plan

from contrastive_jax.train.schedules import Cosine, Step

SUPCONTRAST = {"learning_rate", "epochs", "batches", "cosine", "warm", "lr_decay_rate", "lr_decay_epochs"}
SUPCONTRAST |= {"warmup_from", "warm_epochs", "warmup_to"}


def plan(case: Case) -> Plan:
    known = {
        "adjust_learning_rate + warmup_learning_rate": ({"out_lr_epoch_by_batch"}, SUPCONTRAST, _supcontrast),
        "cosine": ({"out_lr_per_epoch"}, {"init_lr", "epochs", "milestones", "lr_type"}, _mcl),
        "multistep": ({"out_lr_per_epoch"}, {"init_lr", "epochs", "milestones", "lr_type"}, _mcl),
    }
    arrays, parameters, build = case.known(case.fields["variant"], known)
    if unknown := (set(case.arrays) - arrays) | (set(case.fields["hyperparameters"]) - parameters):
        raise NotCovered(f"it holds {', '.join(sorted(unknown))}")
    return Plan(build(case))


def _supcontrast(case: Case):
    epochs, batches = case.hyper("epochs"), case.hyper("batches")
    warmup = dict(
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
