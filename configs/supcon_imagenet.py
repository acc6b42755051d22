"""SupCon on ImageNet as its authors' TensorFlow code trains it: LARS, strong augmentation, large batches.

    python -m contrastive_jax.main --config=configs/supcon_imagenet.py:imagenet,resnet50 --workdir=runs/supcon_imagenet
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:supcon_imagenet \
        --config.pretrained=runs/supcon_imagenet

Argument: dataset,network (default imagenet,resnet50).

Recipe: google-research, supcon/scripts/supcon_imagenet_resnet50.sh, meant for 128 TPU cores; Table 3 and Sec. 4.5 of
Khosla et al. 2020 agree where they say anything. Expected linear top-1 / top-5, Table 3, one run:

    resnet50     78.7 / 94.3    AutoAugment, batch 6144, 350 epochs
    resnet101    80.2 / 94.7    Stacked RandAugment
    resnet200    81.4 / 95.9    Stacked RandAugment, batch 4096, 700 epochs

For the larger networks `--config.augment.recipe=supcon_imagenet_stacked --config.batch_size=4096
--config.optimizer.weight_decay=2e-4`; resnet200 also takes `--config.learning_rate.peak=0.2 --config.epochs=700.0`. The
script of resnet101 has AutoAugment and 350 epochs.

The number of positives, Table 5 (resnet50). The table counts the anchor's other view,
the field does not:

    at most                              1       3       5       7       9       all
    --config.method.positives_cap=       0       2       4       6       8       -1
                                         69.3    76.6    78.0    78.4    78.3    78.5

The code's flags say weight decay 1e-3 (1e-4 for the larger networks). It adds the decay to the loss and LARS adds it to
the gradient again, so twice that is what trains. The paper normalises the representation before the projection head;
here the head is one linear layer without a bias and its output is normalised, so the length of its input changes
nothing.
"""

from contrastive_jax.config.presets import pretraining
from contrastive_jax.recipes import augmentations


def get_config(argument="imagenet,resnet50"):
    config = pretraining("supcon", argument, optimizer="lars", schedule="cosine")
    config.network.update(residual_scale=0.0)  # the last BatchNorm of a block starts at 0
    config.method.update(tau=0.1, loss_scale=0.1)  # the loss is scaled by tau (Sec. 4.5)
    config.method.update(positives_cap=-1)
    config.head.update(dim=128, depth=1, output_bias=False, kernel="normal")
    config.augment.update(augmentations.supcon_imagenet())
    config.update(epochs=350.0, batch_size=6144)
    config.learning_rate.update(peak=0.4, scaling="linear", reference_batch=256)
    config.optimizer.update(
        momentum=0.9, nesterov=False, weight_decay=2e-3, decay="kernels", trust_on="gradient"
    )
    config.schedule.update(warmup_epochs=12.0, per="step", spans="after_warmup")
    return config
