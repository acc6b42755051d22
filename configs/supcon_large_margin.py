"""Large-margin softmax (Liu et al. 2016): the `Max-Margin` column of SupCon's Table 2.

    python -m contrastive_jax.main --config=configs/supcon_large_margin.py:cifar10,resnet50 --workdir=runs/margin
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:supcontrast --config.pretrained=runs/margin

SupCon reports the numbers that Liu et al. published with a VGG-like network of their own and margin 4:

    CIFAR-10 92.4    CIFAR-100 70.5    (ImageNet 78.0 is from another paper's margins in several layers)

Here it trains with the recipe of `supcon.py`, to be compared with its other rows. The margin's blend is that of
the authors' CIFAR-10 example: lambda = 1000 (1 + 2e-5 t)^-45 at step t, below 1 from step 8300 on. Rates as large
as 0.5 are not theirs (0.1). The accuracy of its own classifier is the metric `accuracy_final`.
"""

from contrastive_jax.recipes import supcon


def get_config(argument="cifar10,resnet50"):
    return supcon.cifar(
        "supcon_large_margin", argument, margin=4, blend=1000.0, blend_rate=2e-5, blend_power=45.0
    )
