"""Large-margin softmax (Liu et al. 2016): the `Max-Margin` column of SupCon's Table 2.

    python -m contrastive_jax.main --config=configs/supcon_large_margin.py:cifar10,resnet50 --workdir=runs/margin
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:own --config.pretrained=runs/margin

Argument: dataset,network (default cifar10,resnet50).

Recipe: that of `supcon_cross_entropy.py`, to be comparable with the table's other classifier. SupCon quotes the numbers
that Liu et al. published for their VGG-like network with margin 4:

    CIFAR-10 92.4    CIFAR-100 70.5    (ImageNet 78.0 comes from another paper, with margins in several layers)

The margin is blended in as in the authors' CIFAR-10 example (there margin 2): lambda = 1000 (1 + 2e-5 t)^-45 at step t,
which falls below 1 at step 8300. That example trains at rate 0.1 and batch 128 with a weight decay of 5e-4; the README
has lambda = 1000 (1 + 2.5e-5 t)^-35 for margin 4: `--config.method.blend_rate=2.5e-5 --config.method.blend_power=35.0`.
The second command measures the trained classifier. No recipe for ImageNet was published.
"""

from contrastive_jax.config.presets import pretraining, refuse_imagenet
from contrastive_jax.recipes import augmentations


def get_config(argument="cifar10,resnet50"):
    refuse_imagenet(argument)
    config = pretraining("supcon_large_margin", argument, optimizer="sgd", schedule="cosine")
    config.method.update(margin=4, blend=1000.0, blend_rate=2e-5, blend_power=45.0)
    config.augment.update(augmentations.crop_flip())
    config.update(epochs=500.0, batch_size=1024)
    config.learning_rate.update(peak=0.8, scaling="none")
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    config.schedule.update(warmup_epochs=10.0, warmup_from=0.01)
    config.schedule.update(per="epoch_end", spans="all_epochs", final_fraction=1e-3)
    return config
