"""Golden family `distributed`: two ranks' features, concatenated by rank into one global batch."""

import jax.numpy as jnp
from golden_case import Case, NotCovered, Plan
from golden_runners.sdssl import by_sample, by_view

from contrastive_jax import losses


def plan(case: Case) -> Plan:
    runners = {
        "sim_out": _sim_out,
        "sim_mid": _sim_mid,
        "sd_moco": _keys,
        "sd_moco_mid": _keys,
        "mocov3": _keys,
    }
    of_global_batch, gradients = case.one_of("variant", runners)(case)
    ranks = case.hyper("world_size")

    def values(arrays):
        anchors = of_global_batch(arrays)  # [rank * local sample, ...]
        per_rank = jnp.mean(anchors.reshape(ranks, -1), axis=1)
        of_rank = {f"rank{r}": per_rank[r] for r in range(ranks)}
        return {"out_loss_per_rank": per_rank, "mean": jnp.mean(per_rank)} | of_rank

    return Plan(values, {name: _differentiate(case, of, ranks) for name, of in gradients.items()})


def _differentiate(case: Case, name: str, ranks: int):
    """`mean_over_ranks`: the exact gradient of the global loss. `rank_loss`: each rank's loss and rows."""
    grad_of = case.fields.get("grad_of")
    if grad_of == "mean_over_ranks":
        return ("mean", name)
    if grad_of == "rank_loss":
        return [(f"rank{r}", name, r) for r in range(ranks)]
    raise NotCovered(f"grad_of '{grad_of}'")


def _joined(per_rank):
    """[rank, local sample, ...] to the global batch."""
    return per_rank.reshape(-1, *per_rank.shape[2:])


def _views(rows, layers: int):
    """Normalised features of all ranks, each rank's rows layer-major, then view-major."""
    return _joined(jnp.stack([by_view(of_rank, layers) for of_rank in rows]))


def _sim_out(case: Case):
    def of_global_batch(arrays):
        z = _views(arrays["in_features"], case.hyper("layers"))
        return losses.nt_xent(z[:, :, -1], tau=case.hyper("tau"))

    return of_global_batch, {"out_grad_features_per_rank": "in_features"}


def _sim_mid(case: Case):
    def of_global_batch(arrays):
        middle = _views(arrays["in_mid_features"], case.hyper("layers"))
        z = jnp.concatenate([middle, _views(arrays["in_final_features"], 1)], axis=2)
        return losses.sd_simclr(z, tau=case.hyper("tau")).isd

    return of_global_batch, {"out_grad_mid_per_rank": "in_mid_features"}


def _keys(case: Case):
    tau, layers = case.hyper("tau"), case.hyper("layers")

    def of_global_batch(arrays):
        q = _joined(
            jnp.stack([by_sample(losses.l2_normalize(r), layers) for r in arrays["in_q_unnormalised"]])
        )
        z = _joined(losses.l2_normalize(arrays["in_z_unnormalised"]))
        return 2 * tau * losses.layers_contrastive(q, z, tau=tau)

    return of_global_batch, {"out_grad_q_per_rank": "in_q_unnormalised"}
