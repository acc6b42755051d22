"""SupCon with the embeddings of earlier batches as further contrasts (Khosla et al. 2020, Sec. 4.1).

    python -m contrastive_jax.main --config=configs/supcon_bank.py:cifar10,resnet50 --workdir=runs/bank
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:supcontrast --config.pretrained=runs/bank

Argument: dataset,network (default cifar10,resnet50).

The paper says that memory-based alternatives work, and cites MoCo for them. `supcon_queue.py` follows that citation;
this is the plain form, without a momentum encoder. Recipe: the CIFAR recipe of `supcon.py` with the paper's memory of
8192 and batch of 256, which it used for ImageNet, and the learning rate scaled linearly to the batch. The paper gives
no number for CIFAR. On ImageNet: `supcon_queue.py` with `--config.method.name=supcon_bank`.

While the embeddings move fast (a large learning rate, the first epochs), the oldest entries are stale and misleading:
keep `--config.method.bank_size` at a few batches.
"""

from contrastive_jax.config.presets import pretraining, refuse_imagenet
from contrastive_jax.recipes import augmentations


def get_config(argument="cifar10,resnet50"):
    refuse_imagenet(argument, instead="supcon_queue.py --config.method.name=supcon_bank")
    config = pretraining("supcon_bank", argument, optimizer="sgd", schedule="cosine")
    config.method.update(tau=0.1, loss_scale=0.1 / 0.07)  # the authors' code scales the loss by tau / 0.07
    config.method.update(bank_size=8192)
    config.head.update(dim=128, depth=2)
    config.augment.update(augmentations.supcon_cifar())
    config.update(epochs=1000.0, batch_size=256)
    config.learning_rate.update(peak=0.5, scaling="linear", reference_batch=1024)
    config.optimizer.update(momentum=0.9, nesterov=False, weight_decay=1e-4, decay="all")
    config.schedule.update(warmup_epochs=10.0, warmup_from=0.01)
    config.schedule.update(per="epoch_end", spans="all_epochs", final_fraction=1e-3)
    return config
