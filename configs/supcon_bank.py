"""SupCon whose contrasts also are the embeddings of earlier batches (Khosla et al. 2020, Sec. 4.1).

    python -m contrastive_jax.main --config=configs/supcon_bank.py:cifar10,resnet50 --workdir=runs/bank
    python -m contrastive_jax.linear_eval --config=configs/linear_eval.py:supcontrast --config.pretrained=runs/bank

The paper says that memory based alternatives work, and cites MoCo for them: `supcon_queue.py` follows that
citation, this is the plain form without a momentum encoder. Memory of 8192 and batch 256 are the paper's, for
ImageNet; the rest is the CIFAR recipe of `supcon.py` with its rate scaled linearly to the batch. The paper has no
number for CIFAR.

With embeddings that move fast (a large rate, the first epochs) the oldest entries are misleading: keep
`bank_size` at a few batches then.
"""

from contrastive_jax.recipes import supcon


def get_config(argument="cifar10,resnet50"):
    return supcon.with_memory("supcon_bank", argument, tau=0.1, bank_size=8192)
