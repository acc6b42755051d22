"""Oracles of the losses with several networks, exits, layers or memories; conventions as in `oracles`."""

import numpy as np
from oracles import by_class, grid, kl, softmax_loss, unit


def sub_anchors(exits, group, tau):
    """Second bracket of SelfCon's Eqs. 2, 6: anchors (sample, view, sub-network), contrasts all others."""
    samples, views, n = exits.shape[:3]
    out = np.zeros((samples, views, n - 1))
    for i, v, e in grid(out.shape):
        contrasts = [
            (exits[j, w, f], float(group[i] == group[j]))
            for j, w, f in grid(exits.shape[:3])
            if (j, w, f) != (i, v, e)
        ]
        out[i, v, e] = softmax_loss(exits[i, v, e], contrasts, tau)
    return out


def selfcon_m(exits, group, tau, alpha):
    return by_class(exits[:, :, -1], group, tau) + alpha * sub_anchors(exits, group, tau).mean(axis=-1)


def selfcon_s_star(exits, label, tau, alpha):
    backbone = by_class(exits[:, -1:], label, tau)[:, 0]
    has = np.array([sum(label == y) > 1 for y in label])
    dropped = backbone * has * len(label) / max(has.sum(), 1)
    return dropped + alpha * sub_anchors(exits[:, None], label, tau).mean(axis=(1, 2))


def joint_m(exits, label, tau):
    samples, views, n, dim = exits.shape
    return by_class(exits.reshape(samples, views * n, dim), label, tau).reshape(samples, views, n)


def joint_mu(exits, tau):
    samples, views, n, dim = exits.shape
    flat = exits.reshape(samples * views, n, dim)
    return by_class(flat, np.arange(samples * views), tau).reshape(samples, views, n)


def moco(q, k, queue, tau):
    stored = [(u, 0.0) for u in queue]
    return np.array([softmax_loss(a, [(b, 1.0), *stored], tau) for a, b in zip(q, k)])


def against_keys(q, z, tau):
    """q [sample, layer, dim] against all keys z [sample, dim]; the key of the same sample is the positive."""
    out = np.zeros(q.shape[:2])
    for i, layer in grid(out.shape):
        out[i, layer] = softmax_loss(q[i, layer], [(c, float(i == j)) for j, c in enumerate(z)], tau)
    return out


def byol(q, z):
    return np.sum((unit(q) - unit(z)) ** 2, axis=-1)


def to_final(z, fixed, tau, same_view):
    """L_isd of SimCLR: the final output of the other (or the same) view, one final output left out."""
    samples, views, layers = z.shape[:3]
    out = np.zeros((samples, views, layers - 1))
    for i, v, layer in grid(out.shape):
        target = v if same_view else 1 - v
        contrasts = [
            (fixed[j, w, -1], float(j == i)) for j, w in grid((samples, views)) if (j, w) != (i, 1 - target)
        ]
        out[i, v, layer] = softmax_loss(z[i, v, layer], contrasts, tau)
    return out


def ordered_pairs(m):
    return [(a, b) for a in range(m) for b in range(m) if a != b]


def icl(v, label, tau):
    out = np.zeros(len(label))
    for a, b in ordered_pairs(len(v)):
        for i in range(len(label)):
            contrasts = [(v[b][j], float(label[i] == label[j])) for j in range(len(label)) if j != i]
            out[i] += softmax_loss(v[a][i], contrasts, tau)
    return out


def soft(v, fixed, tau, cross, own_column):
    """Soft VCL (each network's space) or Soft ICL (cross): KL from the fixed teacher b to the student a."""
    n = len(v[0])
    out = np.zeros(n)
    for a, b in ordered_pairs(len(v)):
        for i in range(n):
            columns = [j for j in range(n) if own_column or j != i]
            theirs, ours = (fixed[a], v[b]) if cross else (fixed[b], v[a])
            teacher = [fixed[b][i] @ theirs[j] / tau for j in columns]
            out[i] += kl(teacher, [v[a][i] @ ours[j] / tau for j in columns])
    return out


def memory_form(v, memories, positives, negatives, tau, cross):
    networks = ordered_pairs(len(v)) if cross else [(m, m) for m in range(len(v))]
    out = np.zeros(len(v[0]))
    for a, b in networks:
        for i in range(len(out)):
            own = positives[i] if cross else positives[i][1:]
            contrasts = [(memories[b][j], 1.0) for j in own] + [(memories[b][j], 0.0) for j in negatives[i]]
            out[i] += softmax_loss(v[a][i], contrasts, tau)
    return out


def soft_memory(v, fixed, memories, positives, negatives, tau, cross):
    out = np.zeros(len(v[0]))
    for a, b in ordered_pairs(len(v)):
        for i in range(len(out)):
            slots = [*(positives[i] if cross else positives[i][1:]), *negatives[i]]
            theirs, ours = (memories[a], memories[b]) if cross else (memories[b], memories[a])
            teacher = [fixed[b][i] @ theirs[j] / tau for j in slots]
            out[i] += kl(teacher, [v[a][i] @ ours[j] / tau for j in slots])
    return out


def moco_form(q, k, queues, tau, cross):
    networks = ordered_pairs(len(q)) if cross else [(m, m) for m in range(len(q))]
    return sum(moco(q[a], k[b], queues[b], tau) for a, b in networks)


def soft_moco(q, fixed, k, queues, tau, cross):
    out = np.zeros(len(q[0]))
    for a, b in ordered_pairs(len(q)):
        for i in range(len(out)):
            t, s = (a, b) if cross else (b, a)
            teacher = [fixed[b][i] @ c / tau for c in (k[t][i], *queues[t])]
            out[i] += kl(teacher, [q[a][i] @ c / tau for c in (k[s][i], *queues[s])])
    return out


def distill(teacher, student, soft):
    return np.array([soft**2 * kl(t / soft, s / soft) for t, s in zip(teacher, student)])


def soft_cross_entropy(teacher, student, soft):
    out = []
    for t, s in zip(teacher / soft, student / soft):
        p, q = np.exp(t) / np.exp(t).sum(), np.exp(s) / np.exp(s).sum()
        out.append(-(soft**2) * sum(p * np.log(q)))
    return np.array(out)


def crd(v, memory, slots, tau, z):
    """-log h(positive) - sum log(1 - h(negative)), h(x) = x/(x + K/n)."""
    noise = (slots.shape[1] - 1) / len(memory)
    out = []
    for a, row in zip(v, slots):
        x = [np.exp(a @ memory[j] / tau) / z for j in row]
        negatives = sum(np.log(noise / (y + noise + 1e-7)) for y in x[1:])
        out.append(-np.log(x[0] / (x[0] + noise + 1e-7)) - negatives)
    return np.array(out)


def cpc(v, memory, slots, tau, alpha):
    negatives = slots.shape[1] - 1
    beta = (negatives + 1 - alpha) / negatives
    out = []
    for a, row in zip(v, slots):
        x = [np.exp(a @ memory[j] / tau) for j in row]
        out.append(-np.log(x[0]) + np.log((alpha * x[0] + beta * sum(x[1:])) / (negatives + 1)))
    return np.array(out)


def ml_cpc(v, memory, slots, tau, alpha):
    negatives = slots.shape[1] - 1
    beta = (negatives + 1 - alpha) / negatives
    x = np.array([[np.exp(a @ memory[j] / tau) for j in row] for a, row in zip(v, slots)])
    return -np.log(x[:, 0]) + np.log(alpha * x[:, 0].mean() + negatives * beta * x[:, 1:].mean())


def sd_teacher(x, fixed, tau):
    """Eq. 8 with alpha 0.7, beta 1: contrastive layers, and BYOL standing in for the prediction loss."""
    layers = against_keys(x["q"], fixed["z"], tau)
    prediction = byol(x["q"], fixed["z"][:, None])
    return layers[:, -1] + 0.7 * layers[:, :-1].mean(axis=1) + prediction.sum(axis=1)


def compress(student, teacher, student_queue, teacher_queue, tau):
    out = []
    for s, t in zip(student, teacher):
        out.append(kl([t @ c / tau for c in teacher_queue], [s @ c / tau for c in student_queue]))
    return np.array(out)
