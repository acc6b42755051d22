"""Every loss of labels, views and exits once: its inputs, our function, its oracle.

A new loss gets all the tests of `test_losses_all.py` by an entry here or in `loss_table_papers`.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import oracles as o
import oracles_papers as p

from contrastive_jax import losses
from contrastive_jax.losses import variants

SAMPLES, DIM = 8, 4  # eight samples: one on each fake device


@dataclasses.dataclass(frozen=True, eq=False)
class Spec:
    name: str
    inputs: dict
    """Embeddings: name -> shape after the sample axis, or a whole shape that starts with None."""
    ours: Callable
    """(arrays, tau, impl) -> our values."""
    oracle: Callable
    """(x, fixed, tau) -> the oracle's values, from `fixed` where the loss stops the gradient."""
    spaces: tuple = ()
    """Names of embeddings that one rotation turns together, per space."""
    integers: dict = dataclasses.field(default_factory=dict)
    ordered: bool = False
    """Depends on the order of the batch, or has a matrix between samples: no permutation test."""

    def make(self, seed: int = 0) -> dict:
        """Unit vectors in float64, and the integer inputs."""
        rng = np.random.default_rng(seed)
        shapes = {n: s[1:] if s[0] is None else (SAMPLES, *s) for n, s in self.inputs.items()}
        return {n: o.unit(rng.normal(size=shape)) for n, shape in shapes.items()} | self.integers


VIEWS, EXITS, GRID, Z = {"z": (2, DIM)}, {"z": (3, DIM)}, {"z": (2, 3, DIM)}, (("z",),)
Y = {"label": np.array([0, 0, 1, 1, 2, 2, 2, 3])}
BANK = {"bank": (None, 6, DIM)}, {"bank_label": np.array([0, 1, 2, 5, -1, 0])}
BITS = [[1, 0, 0], [1, 1, 0], [0, 1, 1], [0, 0, 0], [1, 1, 1], [0, 0, 1], [0, 1, 0], [1, 0, 0]]
MASK = np.random.default_rng(1).integers(2, size=(SAMPLES, SAMPLES))
INSTANCE = np.arange(SAMPLES)


def labelled(name, ours, oracle, inputs=VIEWS, ordered=False):
    """A loss of one array and labels."""
    return Spec(
        name,
        inputs,
        lambda a, tau, impl: ours(a["z"], a["label"], tau=tau, impl=impl),
        lambda x, fixed, tau: oracle(x["z"], x["label"], tau),
        Z,
        Y,
        ordered,
    )


def unlabelled(name, ours, oracle, inputs=VIEWS):
    """A loss of one array alone."""
    return Spec(
        name,
        inputs,
        lambda a, tau, impl: ours(a["z"], tau=tau, impl=impl),
        lambda x, fixed, tau: oracle(x["z"], tau),
        Z,
    )


def ablation(ours, denominator, inside, cap):
    # A cap needs the whole matrix; the one-positive denominator always does.
    choose = {"one": lambda impl: {}}.get(denominator, lambda impl: {"impl": impl if cap < 0 else "dense"})
    return labelled(
        f"{ours.__name__}{cap}",
        lambda z, y, tau, impl: ours(z, y, tau=tau, cap=cap, **choose(impl)),
        lambda z, y, tau: o.ablation(z, y, tau, cap, denominator, inside),
        ordered=True,
    )


SUPCON = [
    labelled("supcon", losses.supcon, o.by_class),
    labelled("supcon_in", losses.supcon_in, lambda z, y, t: o.by_class(z, y, t, o.softmax_loss_in)),
    labelled("supcon_one", variants.supcon_one, lambda z, y, t: o.by_class(z, y, t, anchors=[0])),
    labelled(
        "supcon_in_one",
        variants.supcon_in_one,
        lambda z, y, t: o.by_class(z, y, t, o.softmax_loss_in, anchors=[0]),
    ),
    Spec(
        "supcon_masked",
        VIEWS,
        lambda a, tau, impl: variants.supcon_masked(a["z"], a["positive"], tau=tau),
        lambda x, fixed, tau: o.masked(x["z"], x["positive"], tau, 2),
        Z,
        {"positive": MASK},
        ordered=True,
    ),
    Spec(
        "supcon_masked_one",
        VIEWS,
        lambda a, tau, impl: variants.supcon_masked_one(a["z"], a["positive"], tau=tau),
        lambda x, fixed, tau: o.masked(x["z"], x["positive"], tau, 1),
        Z,
        {"positive": MASK},
        ordered=True,
    ),
    Spec(
        "supcon_multilabel",
        VIEWS,
        lambda a, tau, impl: variants.supcon_multilabel(a["z"], a["labels"], tau=tau),
        lambda x, fixed, tau: o.masked(x["z"], o.overlap(x["labels"]), tau, 2),
        Z,
        {"labels": np.array(BITS)},
    ),
    Spec(
        "supcon_bank",
        VIEWS | BANK[0],
        lambda a, tau, impl: losses.supcon_bank(**a, tau=tau, impl=impl),
        lambda x, fixed, tau: o.with_bank(x["z"], x["label"], fixed["bank"], x["bank_label"], tau),
        (("z", "bank"),),
        Y | BANK[1],
    ),
    Spec(
        "supcon_queue",
        {"query": (2, DIM), "key": (2, DIM), "queue": (None, 6, DIM)},
        lambda a, tau, impl: losses.supcon_queue(**a, tau=tau, impl=impl),
        lambda x, fixed, tau: o.with_queue(
            x["query"], fixed["key"], x["label"], fixed["queue"], x["queue_label"], tau
        ),
        (("query", "key", "queue"),),
        Y | {"queue_label": BANK[1]["bank_label"]},
    ),
    labelled("n_pairs", losses.n_pairs, o.n_pairs, ordered=True),
    Spec(
        "triplet",
        {"a": (DIM,), "p": (DIM,), "n": (DIM,)},
        lambda a, tau, impl: losses.triplet(a["a"], a["p"], a["n"], tau=tau),
        lambda x, fixed, tau: o.triplet(x["a"], x["p"], x["n"], tau),
        (("a", "p", "n"),),
    ),
    *[
        ablation(ours, denominator, inside, cap)
        for cap in (-1, 2)
        for ours, denominator, inside in (
            (variants.supcon_capped, "all", False),
            (variants.supcon_in_capped, "all", True),
            (variants.supcon_one_positive, "one", False),
            (variants.supcon_in_one_positive, "one", True),
            (variants.supcon_only_negatives, "negatives", False),
            (variants.supcon_in_only_negatives, "negatives", True),
        )
    ],
]

SELFCON = [
    labelled("selfcon_s", losses.selfcon_s, o.by_class, EXITS),
    unlabelled("selfcon_su", losses.selfcon_su, lambda z, t: o.by_class(z, INSTANCE, t), EXITS),
    labelled(
        "selfcon_m",
        lambda z, y, tau, impl: losses.selfcon_m(z, y, tau=tau, impl=impl).weighted(0.7),
        lambda z, y, t: p.selfcon_m(z, y, t, 0.7),
        GRID,
    ),
    unlabelled(
        "selfcon_mu",
        lambda z, tau, impl: losses.selfcon_mu(z, tau=tau, impl=impl).weighted(0.7),
        lambda z, t: p.selfcon_m(z, INSTANCE, t, 0.7),
        GRID,
    ),
    labelled("selfcon_m_joint", losses.selfcon_m_joint, p.joint_m, GRID),
    unlabelled("selfcon_mu_joint", losses.selfcon_mu_joint, p.joint_mu, GRID),
    labelled(
        "selfcon_s_star",
        lambda z, y, tau, impl: variants.selfcon_s_star(z, y, tau=tau, alpha=0.7, impl=impl),
        lambda z, y, t: p.selfcon_s_star(z, y, t, 0.7),
        EXITS,
    ),
    unlabelled(
        "selfcon_su_star",
        lambda z, tau, impl: variants.selfcon_su_star(z, tau=tau, alpha=0.7, impl=impl),
        lambda z, t: 0.7 * p.sub_anchors(z[:, None], INSTANCE, t).mean(axis=(1, 2)),
        EXITS,
    ),
    Spec(
        "selfcon_s_bank",
        EXITS | BANK[0],
        lambda a, tau, impl: losses.selfcon_s_bank(
            a["z"], a["label"], a["bank"], a["bank_label"], tau=tau, impl=impl
        ),
        lambda x, fixed, tau: o.with_bank(x["z"], x["label"], fixed["bank"], x["bank_label"], tau),
        (("z", "bank"),),
        Y | BANK[1],
    ),
]

GENERALIZED = [
    unlabelled("nt_xent", losses.nt_xent, lambda z, t: o.by_class(z, INSTANCE, t)),
    unlabelled("cross_view", variants.cross_view, o.cross_view),
    unlabelled(
        "decoupled_nt_xent",
        lambda z, tau, impl: losses.decoupled_nt_xent(z, tau=tau, impl=impl).weighted(0.5),
        lambda z, t: o.decoupled(z, t, 0.5),
    ),
    unlabelled(
        "decoupled_nt_xent_paper",
        lambda z, tau, impl: losses.decoupled_nt_xent_paper(z, tau=tau, impl=impl).weighted(0.5),
        lambda z, t: o.decoupled_paper(z, t, 0.5),
    ),
    Spec(
        "generalized_swd",
        VIEWS | {"prior": (None, 2 * SAMPLES, DIM), "w": (None, DIM, DIM)},
        lambda a, tau, impl: losses.generalized_swd(a["z"], a["prior"], a["w"]).weighted(5.0),
        lambda x, fixed, tau: o.swd(x["z"], fixed["prior"], x["w"], 5.0),
    ),
]

CLASSIFICATION = [
    Spec(
        "cross_entropy",
        {"logits": (5,)},
        lambda a, tau, impl: losses.cross_entropy(a["logits"], a["label"], label_smoothing=0.1),
        lambda x, fixed, tau: o.cross_entropy(x["logits"], x["label"], 0.1),
        (),
        Y,
    ),
    Spec(
        "large_margin_softmax",
        {"x": (DIM,), "weight": (None, 5, DIM)},
        lambda a, tau, impl: losses.large_margin_softmax(
            a["x"], a["weight"], a["label"], margin=4, blend=0.5
        ),
        lambda x, fixed, tau: o.large_margin(x["x"], x["weight"], x["label"], 4, 0.5),
        (("x", "weight"),),
        Y,
    ),
]

SPECS = SUPCON + SELFCON + GENERALIZED + CLASSIFICATION
