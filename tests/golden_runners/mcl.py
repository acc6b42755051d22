"""Golden family `mcl`: mutual contrastive learning in the batch, with a memory bank, on MoCo, on logits."""

import jax.numpy as jnp
from golden_case import Case, Plan

from contrastive_jax import losses
from contrastive_jax.models.heads import ProjectionHead

TERMS = ("vcl", "soft_vcl", "icl", "soft_icl")


def plan(case: Case) -> Plan:
    runners = {
        "cifar": _in_batch,
        "cifar + Embed": _with_heads,
        "cifar --logit-distill": _logits,
        "memory bank": _memory_bank,
        "moco": _moco,
    }
    return case.one_of("variant", runners)(case)


def _in_batch(case: Case) -> Plan:
    embeddings = case.indexed("in_emb")

    def values(arrays):
        return _weighted(case, _in_batch_terms(case, [arrays[n] for n in embeddings], arrays["in_labels"]))

    return Plan(values, _gradients(embeddings, "net"))


def _in_batch_terms(case: Case, v, label):
    tau, soft = case.hyper("tau"), case.hyper("kd_T")
    return {
        "vcl": losses.vcl(v, label, tau=tau),
        "soft_vcl": losses.soft_vcl(v, tau=tau, soft=soft),
        "icl": losses.icl(v, label, tau=tau),
        "soft_icl": losses.soft_icl(v, tau=tau, soft=soft),
    }


def _with_heads(case: Case) -> Plan:
    """The embedding is a two-layer head on `in_rep`; weights come in torch layout (out, in)."""
    networks = range(case.hyper("number_net"))
    dim = case.hyper("feat_dim")

    def values(arrays):
        def embed(i):
            layers = {"hidden1": ("W1", "b1"), "output": ("W2", "b2")}
            params = {
                name: {"dense": {"kernel": arrays[f"in_{w}_{i}"].T, "bias": arrays[f"in_{b}_{i}"]}}
                for name, (w, b) in layers.items()
            }
            x = arrays[f"in_rep{i}"]
            head = ProjectionHead(dim, depth=2, hidden=params["hidden1"]["dense"]["bias"].size, dtype=x.dtype)
            return losses.l2_normalize(head.apply({"params": params}, x))

        return _weighted(case, _in_batch_terms(case, [embed(i) for i in networks], arrays["in_labels"]))

    parts = [f"{part}{i}" for part in ("rep", "W1_", "b1_", "W2_", "b2_") for i in networks]
    return Plan(values, {f"out_grad_{part}": ("out_total", f"in_{part}") for part in parts})


def _memory_bank(case: Case) -> Plan:
    tau, soft = case.hyper("tau"), case.hyper("kd_T")
    embeddings, memories = case.indexed("in_emb"), case.indexed("in_memory")

    def values(arrays):
        v = [arrays[n] for n in embeddings]
        banks = [arrays[n] for n in memories]
        retrieved = v, banks, arrays["in_pos_idx"], arrays["in_neg_idx"]
        terms = {
            "vcl": losses.vcl_memory(*retrieved, tau=tau),
            "soft_vcl": losses.soft_vcl_memory(*retrieved, tau=tau, soft=soft),
            "icl": losses.icl_memory(*retrieved, tau=tau),
            "soft_icl": losses.soft_icl_memory(*retrieved, tau=tau, soft=soft),
        }
        own = arrays["in_pos_idx"][:, 0]
        after = [losses.update_memory(m, own, z, momentum=case.hyper("nce_m")) for m, z in zip(banks, v)]
        return _weighted(case, terms) | {f"out_memory_after_{i}": m for i, m in enumerate(after)}

    return Plan(values, _gradients(embeddings, "net"))


def _moco(case: Case) -> Plan:
    """Queues come as [network, dim, slot]; the losses see them before this batch is pushed."""
    tau, soft = case.hyper("T"), case.hyper("kd_T")
    queries, keys = case.indexed("in_query_unnormalised"), case.indexed("in_key_unnormalised")

    def values(arrays):
        q, k = ([losses.l2_normalize(arrays[n]) for n in names] for names in (queries, keys))
        queues = [layout.T for layout in arrays["in_queue"]]
        terms = {
            "vcl": losses.vcl_moco(q, k, queues, tau=tau),
            "soft_vcl": losses.soft_vcl_moco(q, k, queues, tau=tau, soft=soft),
            "icl": losses.icl_moco(q, k, queues, tau=tau),
            "soft_icl": losses.soft_icl_moco(q, k, queues, tau=tau, soft=soft),
        }
        after = [_push(*both) for both in zip(queues, k)]
        return _weighted(case, terms) | {
            "out_queue_after": jnp.stack([queue.z.T for queue in after]),
            "out_queue_ptr_after": jnp.stack([queue.at for queue in after]),
        }

    return Plan(values, _gradients(queries, "query"))


def _push(slots, new):
    none = jnp.full(slots.shape[0], -1)
    return losses.push(losses.Queue(slots, none, jnp.zeros((), jnp.int32)), new, none[: new.shape[0]])


def _logits(case: Case) -> Plan:
    names = case.indexed("in_logits")
    loss = losses.ensemble_distill if len(names) == 2 else losses.ensemble_distill_last

    def values(arrays):
        return {"out_loss": losses.mean_keep(loss([arrays[n] for n in names], soft=case.hyper("kd_T")))}

    return Plan(values, {f"out_grad_{name[3:]}": ("out_loss", name) for name in names})


def _weighted(case: Case, terms):
    """The means, and their sum with the case's weights (Eq. 8)."""
    means = {name: losses.mean_keep(terms[name]) for name in TERMS}
    total = sum(case.hyper("weights")[name] * mean for name, mean in means.items())
    return {"out_total": total} | {f"out_{name}": mean for name, mean in means.items()}


def _gradients(names, called: str):
    terms = (*TERMS, "total")
    return {f"out_grad_{t}_{called}{i}": (f"out_{t}", n) for i, n in enumerate(names) for t in terms}
