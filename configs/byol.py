"""BYOL: the student predicts a slow teacher's projection of the other view (Grill et al. 2020).

    python -m contrastive_jax.main --config=configs/byol.py:imagenet,resnet50 --workdir=runs/byol
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py --config.pretrained=runs/byol

Recipe: the paper's Sec. 3 and the authors' code: 1000 epochs, batch 4096, LARS 0.2 per 256 images with 10
warm-up epochs, weight decay 1.5e-6 on kernels, teacher momentum 0.996, heads of two layers 4096-256, two
augmentations. Hardware there: 512 TPU v3 cores for eight hours. Expected ImageNet linear accuracy, resnet50
(one run): 74.3 (Table 1); 300 epochs with rate 0.3, decay 1e-6 and momentum 0.99: 72.5 (the base of its ablations).

The comparisons of *Intriguing Properties* with methods that have no negatives use it beside
`intriguing_nt_xent.py`; SDSSL's BYOL on ViT is `sdssl_byol.py:imagenet,vit_base_16,baseline`.
"""

from contrastive_jax.config.presets import pretraining
from contrastive_jax.recipes import augment_as
from contrastive_jax.recipes import augmentations as recipes


def get_config(argument="imagenet,resnet50"):
    config = pretraining("byol", argument, optimizer="lars")
    config.epochs = 1000.0
    config.batch_size = 4096
    augment_as(config, recipes.byol())
    config.head.update(dim=256, depth=2, hidden=4096, hidden_norm=True, output_bias=False)
    config.method.update(teacher_momentum=0.996, predictor_depth=2, predictor_hidden=4096)
    config.learning_rate.update(peak=0.2, scaling="linear", reference_batch=256)
    config.optimizer.update(weight_decay=1.5e-6, decay="kernels")
    config.schedule.update(warmup_epochs=10.0)
    return config
