"""BYOL: the student predicts a slow teacher's projection of the other view (Grill et al. 2020).

    python -m contrastive_jax.main --config=configs/byol.py:imagenet,resnet50 --workdir=runs/byol
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:byol --config.pretrained=runs/byol

Argument: dataset,network (default imagenet,resnet50).

Recipe: the paper's Sec. 3 and the authors' code. The authors used 512 TPU v3 cores for eight hours. Expected ImageNet
linear accuracy, resnet50, one run: 74.3 (Table 1). The base of the paper's ablations reaches 72.5 in 300 epochs:
`--config.epochs=300.0 --config.learning_rate.peak=0.3 --config.optimizer.weight_decay=1e-6
--config.method.teacher_momentum=0.99`.

For the *Intriguing Properties* comparison with methods without negatives, run it beside `intriguing_nt_xent.py`.
SDSSL's BYOL on a ViT is `sdssl_byol_baseline.py`.
"""

from contrastive_jax.config.presets import pretraining
from contrastive_jax.recipes import augmentations


def get_config(argument="imagenet,resnet50"):
    config = pretraining("byol", argument, optimizer="lars", schedule="cosine")
    config.network.update(residual_scale=0.0)  # the last BatchNorm of a block starts at 0, in the code
    config.method.update(teacher_momentum=0.996, predictor_depth=2, predictor_hidden=4096)
    config.head.update(dim=256, depth=2, hidden=4096, hidden_norm=True, output_bias=False)
    config.augment.update(augmentations.byol())
    config.update(epochs=1000.0, batch_size=4096)
    config.learning_rate.update(peak=0.2, scaling="linear", reference_batch=256)
    config.optimizer.update(momentum=0.9, weight_decay=1.5e-6, decay="kernels")
    config.schedule.update(warmup_epochs=10.0)
    return config
