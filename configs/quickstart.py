"""The main job in three minutes on two CPU cores: SelfCon-S on 10,000 embedded Fashion-MNIST images.

    make quickstart

or, step by step,

    python -m contrastive_jax.main        --config=configs/quickstart.py --workdir=runs/quickstart
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:quick --config.pretrained=runs/quickstart

The config takes no argument. The network is a ResNet of three blocks whose stem cuts the image into 2x2 patches, with a
`small` sub-network after block 2. Batches of 64 give 2,496 steps in 16 epochs: with so few images, the number of steps
is what counts. The recipe was chosen on a held-out slice of the training images; `benchmarks/RESULTS.md` has the test
accuracies.
"""

from contrastive_jax.config.presets import pretraining
from contrastive_jax.recipes import augmentations


def get_config():
    config = pretraining("selfcon_s", "fashion_mnist,resnet8", optimizer="sgd", schedule="cosine")
    config.network.update(stem="patch2", width=24, subnetworks=("block2",), subnetwork="small")
    config.method.update(tau=0.1, loss_scale=1.0)
    config.head.update(dim=128, depth=2)
    config.augment.update(augmentations.crop_flip((0.5, 1.0)))
    config.update(epochs=16.0, batch_size=64)
    config.learning_rate.update(peak=0.2, scaling="none")
    config.optimizer.update(momentum=0.9, nesterov=True, weight_decay=5e-4, decay="all")
    config.schedule.update(warmup_epochs=1.0)
    config.log.update(every_steps=100)
    config.checkpoint.update(every_epochs=4.0)
    return config
