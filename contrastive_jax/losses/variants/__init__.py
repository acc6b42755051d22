"""Published variants: ablations, and forms in which a paper and its code differ. `SupCon` trains `supcon_capped`.

They are tested like the other losses, most of them against the authors' numbers. Each docstring says where its form
comes from.
"""

from contrastive_jax.losses.variants._papers import (
    cpc,
    cross_view,
    layers_to_keys,
    sd_byol_first_step,
    selfcon_s_star,
    selfcon_su_star,
    soft_icl_paper,
    soft_vcl_paper,
)
from contrastive_jax.losses.variants._supcon_denominators import (
    supcon_capped,
    supcon_in_capped,
    supcon_in_one_positive,
    supcon_in_only_negatives,
    supcon_one_positive,
    supcon_only_negatives,
)
from contrastive_jax.losses.variants._supcon_masks import (
    supcon_in_one,
    supcon_masked,
    supcon_masked_one,
    supcon_multilabel,
    supcon_one,
)

__all__ = [
    "cpc",
    "cross_view",
    "layers_to_keys",
    "sd_byol_first_step",
    "selfcon_s_star",
    "selfcon_su_star",
    "soft_icl_paper",
    "soft_vcl_paper",
    "supcon_capped",
    "supcon_in_capped",
    "supcon_in_one",
    "supcon_in_one_positive",
    "supcon_in_only_negatives",
    "supcon_masked",
    "supcon_masked_one",
    "supcon_multilabel",
    "supcon_one",
    "supcon_one_positive",
    "supcon_only_negatives",
]
