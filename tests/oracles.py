"""The losses once more, in float64 NumPy with loops, written from the papers' equations.

Every oracle takes two dictionaries of the same arrays: `x`, and `fixed` for the places where the loss stops
the gradient. Moving `x` alone therefore differentiates as the loss does. Embeddings come as they are;
`softmax_loss` is the one formula most of them share.
"""

import itertools

import numpy as np


def softmax_loss(anchor, contrasts, tau):
    """`-(1/|P|) sum_p log( e^{s_p} / sum_a e^{s_a} )`; contrasts are (vector, weight as positive)."""
    scores = [anchor @ c / tau for c, _ in contrasts]
    weights = [w for _, w in contrasts]
    if not sum(weights):
        return 0.0
    denominator = sum(np.exp(s) for s in scores)
    return -sum(w * np.log(np.exp(s) / denominator) for s, w in zip(scores, weights)) / sum(weights)


def softmax_loss_in(anchor, contrasts, tau):
    """`-log( (1/|P|) sum_p e^{s_p} / sum_a e^{s_a} )`."""
    scores = [anchor @ c / tau for c, _ in contrasts]
    weights = [w for _, w in contrasts]
    if not sum(weights):
        return 0.0
    denominator = sum(np.exp(s) for s in scores)
    return -np.log(sum(w * np.exp(s) / denominator for s, w in zip(scores, weights)) / sum(weights))


def kl(teacher, student):
    """`KL(softmax(teacher) || softmax(student))` of two lists of logits."""
    p, q = (np.exp(np.array(x)) / np.exp(np.array(x)).sum() for x in (teacher, student))
    return float((p * np.log(p / q)).sum())


def unit(v):
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


def grid(shape):
    return itertools.product(*map(range, shape))


def by_class(x, label, tau, formula=softmax_loss, anchors=None):
    """SupCon on copies [sample, copy, dim]: positives share the anchor's label, the row itself is excluded."""
    places = list(grid(x.shape[:2]))
    out = np.zeros((x.shape[0], x.shape[1] if anchors is None else len(anchors)))
    for i, v in places:
        if anchors is None or v in anchors:
            contrasts = [(x[j, w], float(label[i] == label[j])) for j, w in places if (j, w) != (i, v)]
            out[i, v if anchors is None else anchors.index(v)] = formula(x[i, v], contrasts, tau)
    return out


def masked(x, weight, tau, anchor_views):
    places = list(grid(x.shape[:2]))
    out = np.zeros((x.shape[0], anchor_views))
    for i, v in grid(out.shape):
        contrasts = [(x[j, w], weight[i, j]) for j, w in places if (j, w) != (i, v)]
        out[i, v] = softmax_loss(x[i, v], contrasts, tau)
    return out


def overlap(labels):
    """Jaccard overlap of label sets, 1 between a sample and itself."""
    sets = [set(np.flatnonzero(row)) for row in labels]
    n = len(sets)
    share = [[len(a & b) / max(len(a | b), 1) for b in sets] for a in sets]
    return np.array([[1.0 if i == j else share[i][j] for j in range(n)] for i in range(n)])


def with_bank(x, label, bank, bank_label, tau):
    out = np.zeros(x.shape[:2])
    for i, v in grid(x.shape[:2]):
        batch = [(x[j, w], float(label[i] == label[j])) for j, w in grid(x.shape[:2]) if (j, w) != (i, v)]
        stored = [(c, float(label[i] == y)) for c, y in zip(bank, bank_label)]
        out[i, v] = softmax_loss(x[i, v], batch + stored, tau)
    return out


def with_queue(query, key, label, queue, queue_label, tau):
    """Queries among the keys of all views but their own, and a queue."""
    out = np.zeros(query.shape[:2])
    for i, v in grid(query.shape[:2]):
        batch = [(key[j, w], float(label[i] == label[j])) for j, w in grid(key.shape[:2]) if (j, w) != (i, v)]
        stored = [(c, float(label[i] == y)) for c, y in zip(queue, queue_label)]
        out[i, v] = softmax_loss(query[i, v], batch + stored, tau)
    return out


def ablation(x, label, tau, cap, denominator, inside):
    """Denominators `all`, `one`, `negatives`; at most `cap` rows of other samples as positives (-1: all)."""
    n, views, _ = x.shape
    out = np.zeros((n, views))
    for i, v in grid((n, views)):
        same = [j for j in range(n) if label[j] == label[i] and j != i]
        kept = [i] + (same if cap < 0 else same[: cap // views])
        positives = [x[i, v] @ x[j, w] / tau for j in kept for w in range(views) if (j, w) != (i, v)]
        rest = [x[i, v] @ x[j, w] / tau for j in range(n) for w in range(views) if label[j] != label[i]]
        negatives = sum(np.exp(s) for s in rest)
        everything = negatives + sum(np.exp(s) for s in positives)
        if not positives or (denominator == "negatives" and not rest):
            continue
        ratios = []
        for e in np.exp(positives):
            below = {"all": everything, "one": e + negatives, "negatives": negatives}
            ratios.append(e / below[denominator])
        out[i, v] = -np.log(np.mean(ratios)) if inside else -np.mean(np.log(ratios))
    return out


def n_pairs(x, label, tau):
    n, views, _ = x.shape
    out = np.zeros((n, views))
    for i, v in grid((n, views)):
        others = [j for j in (*range(i + 1, n), *range(i)) if label[j] == label[i]]
        if others:
            everything = [x[i, v] @ x[j, w] / tau for j, w in grid((n, views)) if (j, w) != (i, v)]
            positive = np.exp(x[i, v] @ x[others[0], v] / tau)
            out[i, v] = -np.log(positive / sum(np.exp(s) for s in everything))
    return out


def triplet(anchor, positive, negative, tau):
    both = [softmax_loss(a, [(p, 1.0), (n, 0.0)], tau) for a, p, n in zip(anchor, positive, negative)]
    return np.array(both)


def cross_entropy(logits, label, smoothing):
    out = []
    for row, y in zip(logits, label):
        log_p = np.log(np.exp(row) / np.exp(row).sum())
        target = [(1 - smoothing) * (c == y) + smoothing / len(row) for c in range(len(row))]
        out.append(-sum(q * p for q, p in zip(target, log_p)))
    return np.array(out)


def large_margin(x, weight, label, margin, blend):
    out = []
    for v, y in zip(x, label):
        logits = np.array([v @ w for w in weight])
        norm = np.linalg.norm(v) * np.linalg.norm(weight[y])
        theta = np.arccos(logits[y] / norm)
        k = int(theta * margin / np.pi)
        psi = (-1) ** k * np.cos(margin * theta) - 2 * k
        logits[y] = norm * (blend * np.cos(theta) + psi) / (1 + blend)
        out.append(-np.log(np.exp(logits[y]) / np.exp(logits).sum()))
    return np.array(out)


def cross_view(x, tau):
    out = np.zeros(x.shape[:2])
    for i, v in grid(out.shape):
        out[i, v] = softmax_loss(x[i, v], [(x[j, 1 - v], float(i == j)) for j in range(len(x))], tau)
    return out


def decoupled(x, tau, lam):
    """The notebook's form: the anchor itself in the sum, minus log d, alignment over d."""
    rows = x.reshape(-1, x.shape[-1])
    spread = [np.log(sum(np.exp(a @ b / tau) for b in rows)) - np.log(x.shape[-1]) for a in rows]
    align = [np.mean((one - two) ** 2) / 2 for one, two in x]
    return np.array(align) + lam * np.array(spread).reshape(-1, 2).mean(axis=1)


def decoupled_paper(x, tau, lam):
    rows = x.reshape(-1, x.shape[-1])
    spread = [
        np.log(sum(np.exp(a @ b / tau) for j, b in enumerate(rows) if j != i)) for i, a in enumerate(rows)
    ]
    return np.array([-one @ two for one, two in x]) + lam * np.array(spread).reshape(-1, 2).mean(axis=1)


def swd(x, prior, w, lam):
    rows = x.reshape(-1, x.shape[-1])
    distance = np.mean(
        [np.mean((np.sort(rows @ d) - np.sort(prior @ d)) ** 2) for d in w.T]  # the same permutation near x
    )
    return np.array([np.mean((one - two) ** 2) / 2 for one, two in x]) + lam * distance
