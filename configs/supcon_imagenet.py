"""SupCon on ImageNet as its authors' TensorFlow code trains it: LARS, strong augmentation, large batches.

    python -m contrastive_jax.main --config=configs/supcon_imagenet.py:imagenet,resnet50 --workdir=runs/supcon_imagenet
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:supcon_imagenet \
        --config.pretrained=runs/supcon_imagenet

Argument: dataset,network (default imagenet,resnet50).

Recipe: google-research, supcon/scripts/supcon_imagenet_resnet50.sh, meant for 128 TPU cores; Table 3 and Sec. 4.5 of
Khosla et al. 2020 agree where they say anything. Expected linear top-1 / top-5, Table 3, one run:

    resnet50     78.7 / 94.3    AutoAugment, batch 6144, 350 epochs
    resnet101    80.2 / 94.7    Stacked RandAugment, batch 4096, 350 epochs
    resnet200    81.4 / 95.9    Stacked RandAugment, batch 4096, 700 epochs

For the larger networks `--config.augment.recipe=supcon_imagenet_stacked --config.batch_size=4096
--config.optimizer.weight_decay=1e-4`, and `--config.protocol.batch_size=4096` in the second command; resnet200 also
takes `--config.learning_rate.peak=0.2 --config.epochs=700.0`. The script of resnet101 has AutoAugment, which is
`--config.augment.recipe=supcon_imagenet`, where Table 3 says Stacked RandAugment.

Other losses by this recipe, resnet50. Training the classifier alongside (Sec. 4.5) is said to give roughly the same
accuracy as two stages:

    L_in, 67.4 (Table 1)      --config.method.name=supcon_in
    N-pairs, 57.4 (Sec. 4.1)  --config.method.name=supcon_n_pairs --config.method.tau=1.0
                              --config.method.loss_scale=1.0 --config.method.views=1
    jointly                   --config.method.name=supcon_joint

The number of positives, Table 5 (resnet50). The table counts the anchor's other view,
the field does not:

    at most                              1       3       5       7       9       all
    --config.method.positives_cap=       0       2       4       6       8       -1
                                         69.3    76.6    78.0    78.4    78.3    78.5

The paper normalises the representation before the projection head; here the head is one linear layer without a bias and
its output is normalised, so the length of its input changes nothing.
"""

from contrastive_jax.config.presets import pretraining
from contrastive_jax.recipes import augmentations


def get_config(argument="imagenet,resnet50"):
    config = pretraining("supcon", argument, optimizer="lars", schedule="cosine")
    if "residual_scale" in config.network:
        config.network.update(residual_scale=0.0)  # the last BatchNorm of a block starts at 0
    config.method.update(tau=0.1, loss_scale=0.1)  # the loss is scaled by tau (Sec. 4.5)
    config.method.update(positives_cap=-1)
    config.head.update(dim=128, depth=1, output_bias=False, kernel="normal")
    config.augment.update(augmentations.supcon_imagenet())
    config.update(epochs=350.0, batch_size=6144)
    config.learning_rate.update(peak=0.4, scaling="linear", reference_batch=256)
    config.optimizer.update(
        momentum=0.9, nesterov=False, weight_decay=1e-3, decay="kernels", trust_on="gradient"
    )
    config.schedule.update(warmup_epochs=12.0, per="step", spans="after_warmup")
    return config
