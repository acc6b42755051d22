"""The losses as a library, on jax, numpy and jaxtyping alone.

    import jax, jax.numpy as jnp
    from contrastive_jax import losses

    z = losses.l2_normalize(z)                             # [sample, view, dim]
    loss = losses.mean_keep(losses.supcon(z, label, tau=0.1))

A loss is a pure function from arrays to one value per anchor, differentiable in reverse mode, computed in float32 or
wider, and finite in value and gradient at degenerate inputs. Losses with several terms return them by name, with a
`weighted` method that adds them as the paper does. `mean_keep` and `mean_drop` reduce to a number. Under `jit` on a
mesh all of the batch is contrasted, and the value does not depend on the number of devices.

A shape, dtype or temperature that does not fit raises `contrastive_jax.errors.InputError`, under `jit` too, except for
the value of a traced temperature, which cannot be seen: 0 gives nan.
Embeddings that should be unit length and are not cause an `UnnormalizedWarning`, where they are concrete: not under
`jit`, `grad` or `vmap`.

`losses.variants` holds published forms that no method here trains, `losses.mutual_information` bounds on the mutual
information.
"""

from contrastive_jax.losses import mutual_information, variants
from contrastive_jax.losses._checks import UnnormalizedWarning
from contrastive_jax.losses._classification import (
    cross_entropy,
    large_margin_of_logits,
    large_margin_softmax,
)
from contrastive_jax.losses._crd import crd, crd_constant, memory_scores, ml_cpc
from contrastive_jax.losses._generalized import (
    GeneralizedTerms,
    alignment,
    decoupled_nt_xent,
    decoupled_nt_xent_paper,
    nt_xent,
)
from contrastive_jax.losses._mutual import (
    collaborative,
    deep_mutual,
    ensemble_distill,
    ensemble_distill_last,
    icl,
    soft_icl,
    soft_vcl,
    vcl,
)
from contrastive_jax.losses._mutual_memory import icl_memory, soft_icl_memory, soft_vcl_memory, vcl_memory
from contrastive_jax.losses._mutual_moco import icl_moco, soft_icl_moco, soft_vcl_moco, vcl_moco
from contrastive_jax.losses._one_stage import (
    compress,
    feature_form,
    logit_form,
    norm_scaled,
    one_stage,
    posterior_kl,
    soft_cross_entropy,
)
from contrastive_jax.losses._reduce import (
    contrastive_top1,
    has_positive,
    infonce_bound,
    l2_normalize,
    mean_drop,
    mean_keep,
    share_with_positives,
)
from contrastive_jax.losses._sdssl import (
    SDSimCLRTerms,
    SDTerms,
    layers_byol,
    layers_contrastive,
    sd_simclr,
    sd_simclr_same_view,
)
from contrastive_jax.losses._selfcon import (
    SelfConTerms,
    selfcon_m,
    selfcon_m_joint,
    selfcon_mu,
    selfcon_mu_joint,
    selfcon_s,
    selfcon_s_bank,
    selfcon_su,
)
from contrastive_jax.losses._sliced import (
    directions,
    generalized_swd,
    hypercube_prior,
    hypersphere_prior,
    normal_prior,
    sliced_wasserstein,
)
from contrastive_jax.losses._stored import Queue, new_memory, new_queue, push, update_memory
from contrastive_jax.losses._supcon import n_pairs, supcon, supcon_bank, supcon_in, supcon_queue, triplet
from contrastive_jax.losses._teacher import (
    byol,
    byol_symmetric,
    moco,
    moco_v3,
    moco_v3_symmetric,
    queue_logits,
)

__all__ = [
    "GeneralizedTerms",
    "Queue",
    "SDSimCLRTerms",
    "SDTerms",
    "SelfConTerms",
    "UnnormalizedWarning",
    "alignment",
    "byol",
    "byol_symmetric",
    "collaborative",
    "compress",
    "contrastive_top1",
    "crd",
    "crd_constant",
    "cross_entropy",
    "decoupled_nt_xent",
    "decoupled_nt_xent_paper",
    "deep_mutual",
    "directions",
    "ensemble_distill",
    "ensemble_distill_last",
    "feature_form",
    "generalized_swd",
    "has_positive",
    "hypercube_prior",
    "hypersphere_prior",
    "icl",
    "icl_memory",
    "icl_moco",
    "infonce_bound",
    "l2_normalize",
    "large_margin_of_logits",
    "large_margin_softmax",
    "layers_byol",
    "layers_contrastive",
    "logit_form",
    "mean_drop",
    "mean_keep",
    "memory_scores",
    "ml_cpc",
    "moco",
    "moco_v3",
    "moco_v3_symmetric",
    "mutual_information",
    "n_pairs",
    "new_memory",
    "new_queue",
    "norm_scaled",
    "normal_prior",
    "nt_xent",
    "one_stage",
    "posterior_kl",
    "push",
    "queue_logits",
    "sd_simclr",
    "sd_simclr_same_view",
    "selfcon_m",
    "selfcon_m_joint",
    "selfcon_mu",
    "selfcon_mu_joint",
    "selfcon_s",
    "selfcon_s_bank",
    "selfcon_su",
    "share_with_positives",
    "sliced_wasserstein",
    "soft_cross_entropy",
    "soft_icl",
    "soft_icl_memory",
    "soft_icl_moco",
    "soft_vcl",
    "soft_vcl_memory",
    "soft_vcl_moco",
    "supcon",
    "supcon_bank",
    "supcon_in",
    "supcon_queue",
    "triplet",
    "update_memory",
    "variants",
    "vcl",
    "vcl_memory",
    "vcl_moco",
]
