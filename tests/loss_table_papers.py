"""The table's other half: losses with teachers, queues, memories, layers and several networks."""

import jax.numpy as jnp
import numpy as np
import oracles_papers as p
from loss_table import DIM, GRID, SAMPLES, Spec, Y, Z

from contrastive_jax import losses
from contrastive_jax.losses import variants

PAIR = {"q": (DIM,), "k": (DIM,)}
LAYERS = {"q": (3, DIM), "z": (DIM,)}
NETS = ("v0", "v1", "v2")
COHORT = {name: (DIM,) for name in NETS}
MEMORIES = {f"m{i}": (None, 12, DIM) for i in range(3)}
MOCO = {f"{part}{i}": (DIM,) for part in "qk" for i in range(2)} | {f"u{i}": (None, 6, DIM) for i in range(2)}
RNG = np.random.default_rng(5)
OWN = np.arange(SAMPLES)[:, None]
SLOTS = {
    "pos": np.concatenate([OWN, RNG.integers(12, size=(SAMPLES, 2))], axis=1),
    "neg": RNG.integers(12, size=(SAMPLES, 4)),
}
TOGETHER = ((*NETS, *MEMORIES),)
LOGITS = {"v0": (5,), "v1": (5,), "v2": (5,)}


def nets(x, prefix="v", count=3):
    return [x[f"{prefix}{i}"] for i in range(count)]


def cohort(name, ours, oracle, integers=Y, spaces=(NETS,)):
    """A loss of three networks in the batch; `oracle` takes the embeddings, the fixed ones and tau."""
    return Spec(name, COHORT, ours, lambda x, f, t: oracle(nets(x), nets(f), t, x), spaces, integers)


def softened(name, cross, own_column, factor):
    ours = getattr(losses if own_column else variants, name)
    return cohort(
        name,
        lambda a, tau, impl: ours(nets(a), tau=tau, soft=3.0, impl=impl),
        lambda v, f, t, x: factor * p.soft(v, f, t * 3, cross, own_column),
        {},
    )


def with_memory(name, cross, softening):
    ours = getattr(losses, name)
    extra = {"soft": 3.0} if softening else {}

    def oracle(x, f, t):
        slots = nets(f, "m"), x["pos"], x["neg"]
        if softening:
            return 9 * p.soft_memory(nets(x), nets(f), *slots, t * 3, cross)
        return p.memory_form(nets(x), *slots, t, cross)

    return Spec(
        name,
        COHORT | MEMORIES,
        lambda a, tau, impl: ours(nets(a), nets(a, "m"), a["pos"], a["neg"], tau=tau, **extra),
        oracle,
        TOGETHER,
        SLOTS,
    )


def with_queue(name, cross, softening):
    ours = getattr(losses, name)
    extra = {"soft": 3.0} if softening else {}

    def oracle(x, f, t):
        stored = nets(f, "k", 2), nets(f, "u", 2)
        if softening:
            return 9 * p.soft_moco(nets(x, "q", 2), nets(f, "q", 2), *stored, t * 3, cross)
        return p.moco_form(nets(x, "q", 2), *stored, t, cross)

    return Spec(
        name,
        MOCO,
        lambda a, tau, impl: ours(
            nets(a, "q", 2), nets(a, "k", 2), nets(a, "u", 2), tau=tau, impl=impl, **extra
        ),
        oracle,
        (tuple(MOCO),),
    )


MUTUAL = [
    cohort(
        "vcl",
        lambda a, tau, impl: losses.vcl(nets(a), a["label"], tau=tau, impl=impl),
        lambda v, f, t, x: sum(p.by_class(m[:, None], x["label"], t)[:, 0] for m in v),
    ),
    cohort(
        "icl",
        lambda a, tau, impl: losses.icl(nets(a), a["label"], tau=tau, impl=impl),
        lambda v, f, t, x: p.icl(v, x["label"], t),
    ),
    softened("soft_vcl", cross=False, own_column=True, factor=9),
    softened("soft_icl", cross=True, own_column=True, factor=9),
    softened("soft_vcl_paper", cross=False, own_column=False, factor=1),
    softened("soft_icl_paper", cross=True, own_column=False, factor=1),
    with_memory("vcl_memory", cross=False, softening=False),
    with_memory("icl_memory", cross=True, softening=False),
    with_memory("soft_vcl_memory", cross=False, softening=True),
    with_memory("soft_icl_memory", cross=True, softening=True),
    with_queue("vcl_moco", cross=False, softening=False),
    with_queue("icl_moco", cross=True, softening=False),
    with_queue("soft_vcl_moco", cross=False, softening=True),
    with_queue("soft_icl_moco", cross=True, softening=True),
    Spec(
        "ensemble_distill",
        LOGITS,
        lambda a, tau, impl: losses.ensemble_distill(nets(a), soft=2.0),
        lambda x, f, t: sum(p.distill(np.mean(nets(f), axis=0), s, 2.0) for s in nets(x)),
    ),
    Spec(
        "ensemble_distill_last",
        LOGITS,
        lambda a, tau, impl: losses.ensemble_distill_last(nets(a), soft=2.0),
        lambda x, f, t: p.distill(np.mean(nets(f), axis=0), x["v2"], 2.0),
    ),
    Spec(
        "deep_mutual",
        LOGITS,
        lambda a, tau, impl: losses.deep_mutual(nets(a), soft=2.0),
        lambda x, f, t: sum(p.distill(nets(f)[b], nets(x)[a], 2.0) for a, b in p.ordered_pairs(3)),
    ),
    Spec(
        "collaborative",
        LOGITS,
        lambda a, tau, impl: losses.collaborative(nets(a), soft=2.0),
        lambda x, f, t: sum(p.distill((sum(nets(f)) - nets(f)[m]) / 2, nets(x)[m], 2.0) for m in range(3)),
    ),
]

SDSSL = [
    Spec(
        "moco",
        PAIR | {"queue": (None, 6, DIM)},
        lambda a, tau, impl: losses.moco(**a, tau=tau, impl=impl),
        lambda x, f, t: p.moco(x["q"], f["k"], f["queue"], t),
        (("q", "k", "queue"),),
    ),
    Spec(
        "moco_v3",
        PAIR,
        lambda a, tau, impl: losses.moco_v3(**a, tau=tau, impl=impl),
        lambda x, f, t: p.against_keys(x["q"][:, None], f["k"], t)[:, 0],
        (("q", "k"),),
    ),
    Spec(
        "moco_v3_symmetric",
        {"q": (2, DIM), "k": (2, DIM)},
        lambda a, tau, impl: losses.moco_v3_symmetric(**a, tau=tau, impl=impl),
        lambda x, f, t: sum(p.against_keys(x["q"][:, [v]], f["k"][:, 1 - v], t)[:, 0] for v in range(2)),
        (("q", "k"),),
    ),
    Spec(
        "byol_symmetric",
        {"q": (2, DIM), "k": (2, DIM)},
        lambda a, tau, impl: losses.byol_symmetric(a["q"], a["k"]),
        lambda x, f, t: p.byol(x["q"][:, 0], f["k"][:, 1]) + p.byol(x["q"][:, 1], f["k"][:, 0]),
        (("q", "k"),),
    ),
    Spec(
        "byol",
        PAIR,
        lambda a, tau, impl: losses.byol(a["q"], a["k"]),
        lambda x, f, t: p.byol(x["q"], f["k"]),
        (("q", "k"),),
    ),
    Spec(
        "layers_contrastive",
        LAYERS,
        lambda a, tau, impl: losses.layers_contrastive(**a, tau=tau, impl=impl),
        lambda x, f, t: p.against_keys(x["q"], f["z"], t),
        (("q", "z"),),
    ),
    Spec(
        "layers_to_keys",
        LAYERS,
        lambda a, tau, impl: variants.layers_to_keys(**a, tau=tau, impl=impl),
        lambda x, f, t: p.against_keys(x["q"], x["z"], t),
        (("q", "z"),),
    ),
    Spec(
        "SDTerms",
        LAYERS,
        lambda a, tau, impl: losses.SDTerms.of_layers(
            losses.layers_contrastive(**a, tau=tau, impl=impl), losses.layers_byol(**a)
        ).weighted(alpha=0.7),
        p.sd_teacher,
        (("q", "z"),),
    ),
    Spec(
        "sd_simclr",
        GRID,
        lambda a, tau, impl: losses.sd_simclr(a["z"], tau=tau, impl=impl).weighted(0.7),
        lambda x, f, t: (
            p.by_class(x["z"][:, :, -1], np.arange(SAMPLES), t)
            + 0.7 * p.to_final(x["z"], f["z"], t, same_view=False).mean(axis=-1)
        ),
        Z,
    ),
    Spec(
        "sd_simclr_same_view",
        GRID,
        lambda a, tau, impl: losses.sd_simclr_same_view(a["z"], tau=tau, impl=impl).isd,
        lambda x, f, t: p.to_final(x["z"], f["z"], t, same_view=True),
        Z,
    ),
]

SCORES = {"v": (DIM,), "memory": (None, 12, DIM)}


def against_memory(name, ours, oracle):
    return Spec(
        name,
        SCORES,
        lambda a, tau, impl: ours(losses.memory_scores(a["v"], a["memory"], a["slots"], tau=tau)),
        lambda x, f, t: oracle(x["v"], f["memory"], x["slots"], t),
        (("v", "memory"),),
        {"slots": SLOTS["pos"]},
    )


DISTILL = [
    Spec(
        "soft_cross_entropy",
        LOGITS,
        lambda a, tau, impl: losses.soft_cross_entropy(a["v0"], a["v1"], soft=2.0),
        lambda x, f, t: p.soft_cross_entropy(f["v0"], x["v1"], 2.0),
    ),
    Spec(
        "compress",
        {"s": (DIM,), "t": (5,), "student_queue": (None, 6, DIM), "teacher_queue": (None, 6, 5)},
        lambda a, tau, impl: losses.compress(
            a["s"], a["t"], a["student_queue"], a["teacher_queue"], tau=tau, impl=impl
        ),
        lambda x, f, t: p.compress(x["s"], x["t"], f["student_queue"], f["teacher_queue"], t),
        (("s", "student_queue"), ("t", "teacher_queue")),
    ),
    against_memory(
        "crd",
        lambda s: losses.crd(s, jnp.log(3.0).astype(s.dtype), examples=12),
        lambda v, m, slots, t: p.crd(v, m, slots, t, 3.0),
    ),
    against_memory(
        "cpc",
        lambda s: variants.cpc(s, alpha=0.3),
        lambda v, m, slots, t: p.cpc(v, m, slots, t, 0.3),
    ),
    against_memory(
        "ml_cpc",
        lambda s: losses.ml_cpc(s, alpha=0.3),
        lambda v, m, slots, t: p.ml_cpc(v, m, slots, t, 0.3),
    ),
]

SPECS = MUTUAL + SDSSL + DISTILL
