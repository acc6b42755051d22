"""Group `tfopt`: optimizers step by step on given gradients, and TensorFlow's learning-rate schedules."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from golden_metric import MetricCase, NotCovered

from contrastive_jax.train import optimizers, schedules

TRAJECTORY = "in_p0_.* in_g_.* in_lr out_p_.*"


def lars(case: MetricCase):
    case.expect(params="momentum weight_decay exclude eeta classic_momentum nesterov", arrays=TRAJECTORY)
    return _trajectory(
        case,
        optimizers.LARS(
            momentum=case.number("momentum"),
            nesterov=case.param("nesterov"),
            weight_decay=case.number("weight_decay"),
            trust_coefficient=case.number("eeta"),
            trust_on="gradient" if case.param("classic_momentum") else "momentum",
            decay="all",
            exclude=tuple(case.param("exclude")),
        ),
    )


def rmsprop(case: MetricCase):
    case.expect(params="decay momentum epsilon", arrays=TRAJECTORY)
    rate, momentum, eps = (case.number(name) for name in ("decay", "momentum", "epsilon"))
    return _trajectory(case, optimizers.RMSProp(rate=rate, momentum=momentum, eps=eps))


def momentum_nesterov(case: MetricCase):
    case.expect(params="momentum", arrays=TRAJECTORY)
    return _trajectory(case, optimizers.SGD(momentum=case.number("momentum"), nesterov=True))


def simclr_schedule(case: MetricCase):
    case.expect(params="configs", arrays=r"out_(step|lr|total_steps)_\d+")
    answers = {}
    for i, config in enumerate(case.param("configs")):
        examples, batch = config["num_examples"], config["train_batch_size"]
        total = config["train_steps"] or examples * config["train_epochs"] // batch + 1
        peak = schedules.scaled_peak(
            config["learning_rate"],
            config["learning_rate_scaling"],
            batch_size=batch,
            reference={"linear": 256, "sqrt": 1}.get(config["learning_rate_scaling"], 1),
        )
        per_epoch = examples / batch
        cosine = schedules.Cosine(warmup_epochs=float(config["warmup_epochs"]))
        schedule = cosine.schedule(peak, epochs=total / per_epoch, steps_per_epoch=per_epoch)
        steps = case.array(f"out_step_{i}")  # the steps at which the reference was read
        answers |= {
            f"out_total_steps_{i}": total,
            f"out_step_{i}": steps,
            f"out_lr_{i}": schedule(jnp.asarray(steps)),
        }
    return answers


def exponential_decay(case: MetricCase):
    case.expect(params="lr0 steps_per_epoch decay_rate epochs_per_decay", arrays="in_step out_lr")
    decay = schedules.Exponential(case.number("decay_rate"), case.number("epochs_per_decay"))
    schedule = decay.schedule(case.number("lr0"), epochs=90, steps_per_epoch=case.number("steps_per_epoch"))
    return {"out_lr": schedule(jnp.asarray(case.array("in_step")))}


def _trajectory(case: MetricCase, optimizer):
    lr, gradients = jnp.asarray(case.array("in_lr")), case.named("in_g_")
    params = {name: jnp.asarray(p) for name, p in case.named("in_p0_").items()}
    if set(params) != set(gradients):
        raise NotCovered("parameters and gradients have different names")
    transform = optimizer.transform(lambda count: lr[count])

    @jax.jit
    def update(params, state, gradient):
        updates, state = transform.update(gradient, state, params)
        return optax.apply_updates(params, updates), state

    state, path = jax.jit(transform.init)(params), {name: [] for name in params}
    for step in range(len(lr)):
        params, state = update(params, state, {name: jnp.asarray(g[step]) for name, g in gradients.items()})
        for name, p in params.items():
            path[name].append(p)
    return {f"out_p_{name}": np.stack(values) for name, values in path.items()}


STEMS = {
    "lars": lars,
    "rmsprop_tf1": rmsprop,
    "momentum_nesterov_tf1": momentum_nesterov,
    "simclr_schedule": simclr_schedule,
    "supcon_linear_expdecay": exponential_decay,
}
