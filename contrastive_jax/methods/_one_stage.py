"""What SelfCon's one-stage methods share: encoder and classifiers at once (Bae et al. 2021, Sec. 4.6, App. B and F).

    L = CE(backbone) + sum over sub-networks of (CE combined with beta and a loss l(sub-network, backbone))

The backbone is detached in l, so it learns from labels alone. l looks either at `features`, outputs of a projection
head per exit (Table 7: CE + beta l), or at `logits`, without further heads (Table 10: beta CE + (1 - beta) l).

App. B multiplies "the norm of the outputs" to match the size of the gradients, without saying whose: it is the
backbone's here. With the sub-network's own norm, nothing damps its growth, and CRD and CompRess were at infinity within
75 steps (width 16, rate 0.1).

`params`: `encoder`, classifiers `head_<exit>` and, for features, `projection_<sub-network>`. The backbone's
projection head, which nothing trains, rests in `extra["backbone_projection"]`, where no weight decay reaches it.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from contrastive_jax.errors import InputError, nearest
from contrastive_jax.losses.classification import cross_entropy
from contrastive_jax.losses.distill import feature_form, logit_form
from contrastive_jax.losses.reduce import mean_keep
from contrastive_jax.methods import _one_encoder, _several_exits
from contrastive_jax.models.heads import MultiExit
from contrastive_jax.models.layers import Linear
from contrastive_jax.models.outputs import FINAL


class Form(NamedTuple):
    """What the distilling loss looks at, and how it joins the sub-network's cross-entropy."""

    combine: Callable
    projects: bool


FORMS = {"features": Form(feature_form, True), "logits": Form(logit_form, False)}


def check(self) -> None:
    """Raises InputError for a form that does not exist, or one that its beta switches off."""
    form, beta = self.form, self.beta
    if form not in FORMS:
        raise InputError(f"config.method.form is '{form}': {nearest(form, FORMS)}")
    if form == "logits" and not 0 <= beta < 1:
        raise InputError(
            f"config.method.beta is {beta}, but on logits 1 - beta weights the loss: give one in [0, 1), such as 0.5."
        )


@property
def network(self) -> MultiExit:
    """Encoder and classifiers."""
    return MultiExit(self.encoder, Linear(self.num_classes))


def init(self, key, views):
    """Raises InputError where the network has no sub-network."""
    (exits, _), extra = self.network.init_with_output(key, views[:, 0], True)
    extra = dict(extra)
    params = dict(extra.pop("params"))
    _several_exits.check(_several_exits.subnetworks(params))
    if FORMS[self.form].projects:
        for number, (name, x) in enumerate(sorted(exits.items()), start=1):
            variables = self.head.init(jax.random.fold_in(key, number), x, True)
            params[f"projection_{name}"] = variables["params"]
            extra = with_statistics(extra, f"projection_{name}", variables)
        extra["backbone_projection"] = params.pop(f"projection_{FINAL}")
    return params, extra


def embed(self, params, extra, batch, key):
    """`logits` {exit: [batch, class]} and what is compared, `seen` {exit: [batch, dim]}, not normalised."""
    (exits, logits), extra = _one_encoder.forward_both(self.network, params, extra, batch["view"], key)
    exits, logits = ({name: z[:, 0] for name, z in found.items()} for found in (exits, logits))
    if not FORMS[self.form].projects:
        return {"logits": logits, "seen": logits}, extra
    seen = {}
    for name, x in exits.items():
        own = extra["backbone_projection"] if name == FINAL else params[f"projection_{name}"]
        seen[name], extra = project(self.head, own, extra, f"projection_{name}", x)
    return {"logits": logits, "seen": seen}, extra


def project(head, params, extra, part, x):
    """A head's output, and `extra` with its BatchNorm statistics, where it has any."""
    known = extra.get("batch_stats", {})
    state = {"batch_stats": known[part]} if part in known else {}
    w, state = head.apply({"params": params, **state}, x, True, mutable=list(state))
    return w.astype(jnp.float32), with_statistics(extra, part, state)


def with_statistics(extra, part, variables):
    if "batch_stats" not in variables:
        return extra
    return {**extra, "batch_stats": {**extra.get("batch_stats", {}), part: variables["batch_stats"]}}


def sides(embeddings):
    """What the sub-networks show, {name: [batch, dim]}, and what the backbone shows, detached."""
    seen = dict(embeddings["seen"])
    teacher = lax.stop_gradient(seen.pop(FINAL))
    return seen, teacher


def total(self, embeddings, batch, distilled):
    """The loss and its metrics; `distilled`: {sub-network: loss per image against the backbone}."""
    label, logits = batch["label"], embeddings["logits"]
    ce = {name: cross_entropy(found, label) for name, found in logits.items()}
    combine = FORMS[self.form].combine
    subs = [mean_keep(combine(ce[name], loss, beta=self.beta)) for name, loss in distilled.items()]
    metrics = {f"loss_{name}": mean_keep(loss) for name, loss in ce.items()}
    metrics |= {f"loss_distill_{name}": mean_keep(loss) for name, loss in distilled.items()}
    return sum(subs, start=mean_keep(ce[FINAL])), metrics | accuracies(logits, label)


def accuracies(logits, label):
    """Of the batch, per exit."""
    return {
        f"accuracy_{name}": jnp.mean(jnp.argmax(found, -1) == label, dtype=jnp.float32)
        for name, found in logits.items()
    }


def seen_dim(self) -> int:
    """Length of the vectors in `seen`."""
    return self.head.dim if FORMS[self.form].projects else self.num_classes
