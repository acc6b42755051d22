"""Golden family `aux`: CRD, CPC and ML-CPC, CompRess, BYOL, and queue updates."""

import jax.numpy as jnp
from golden_case import Case, NotCovered, Plan

from contrastive_jax import losses
from contrastive_jax.losses import variants


def plan(case: Case) -> Plan:
    runners = {"crd,cpc,mlcpc": _memory, "compress": _compress, "byol": _byol, "memory bank": _queue}
    return case.one_of("variant", runners)(case)


def _memory(case: Case) -> Plan:
    examples, alpha, tau = case.hyper("n_data"), case.hyper("alpha"), case.hyper("temperature")
    # Each side is contrasted with the other side's memory; Z and memories are named by side.
    sides = {"v1": ("in_v_student", "in_memory_v2"), "v2": ("in_v_teacher", "in_memory_v1")}

    def values(arrays):
        slots, index = arrays["in_contrast_idx"], arrays["in_sample_index"]
        scores = {
            n: losses.memory_scores(arrays[v], arrays[m], slots, tau=tau) for n, (v, m) in sides.items()
        }
        log_z = {name: losses.crd_constant(s, examples=examples) for name, s in scores.items()}
        nce = [losses.crd(s, log_z[n], examples=examples, eps=case.hyper("eps")) for n, s in scores.items()]
        values = {
            "out_crd": sum(map(losses.mean_keep, nce)),
            "out_cpc": sum(losses.mean_keep(variants.cpc(s, alpha=alpha)) for s in scores.values()),
            "out_mlcpc": sum(losses.mean_keep(losses.ml_cpc(s, alpha=alpha)) for s in scores.values()),
        }
        for name, (v, _) in sides.items():
            values[f"out_Z_{name}"] = jnp.exp(log_z[name])
            values[f"out_memory_{name}_after"] = losses.update_memory(
                arrays[f"in_memory_{name}"], index, arrays[v], momentum=case.hyper("momentum")
            )
        return values

    names, who = ("crd", "cpc", "mlcpc"), ("student", "teacher")
    gradients = {f"out_grad_{w}_{loss}": (f"out_{loss}", f"in_v_{w}") for w in who for loss in names}
    return Plan(values, gradients)


def _compress(case: Case) -> Plan:
    tau = case.hyper("temperature")

    def values(arrays):
        student, teacher = (losses.l2_normalize(arrays[f"in_{who}_feats"]) for who in ("student", "teacher"))
        queue_s, queue_t = arrays["in_queue_student"], arrays["in_queue_teacher"]
        values = {"out_loss": losses.mean_keep(losses.compress(student, teacher, queue_s, queue_t, tau=tau))}
        if student.shape == teacher.shape:
            one = losses.compress(student, teacher, queue_t, queue_t, tau=tau)
            values["out_loss_1q"] = losses.mean_keep(one)
        for who, new in (("student", student), ("teacher", teacher)):
            values[f"out_queue_{who}_after"] = _pushed(arrays[f"in_queue_{who}"], new)
        return values

    who = ("student", "teacher")
    gradients = {f"out_grad_{w}{q}": (f"out_loss{q}", f"in_{w}_feats") for w in who for q in ("", "_1q")}
    return Plan(values, gradients)


def _pushed(slots, new):
    none = jnp.full(slots.shape[0], -1)
    return losses.push(losses.Queue(slots, none, jnp.zeros((), jnp.int32)), new, none[: new.shape[0]]).z


def _byol(case: Case) -> Plan:
    views = ("view1", "view2")

    def values(arrays):
        q, z = (
            jnp.stack([arrays[f"in_{what}_{view}"] for view in views], axis=1)
            for what in ("prediction", "target_projection")
        )
        return {"out_loss": losses.mean_keep(losses.byol_symmetric(q, z))}

    return Plan(values, {f"out_grad_prediction_{v}": ("out_loss", f"in_prediction_{v}") for v in views})


def _queue(case: Case) -> Plan:
    """Layout of the released class: slots along the last axis, one push per entry of `in_keys`."""
    if "in_keys" not in case.arrays:
        raise NotCovered("memory bank without in_keys")

    def values(arrays):
        state = losses.Queue(arrays["in_queue0"].T, arrays["in_q_label0"][0], jnp.zeros((), jnp.int32))
        states = []
        for keys, label in zip(arrays["in_keys"], arrays["in_labels"]):
            state = losses.push(state, keys, label)
            states.append(state)
        return {
            "out_queue": jnp.stack([s.z.T for s in states]),
            "out_q_label": jnp.stack([s.label[None] for s in states]),
            "out_ptr": jnp.stack([s.at for s in states]),
        }

    return Plan(values)
