#!/usr/bin/env bash
# The main job on real CIFAR-10 with a network that two CPU cores carry. Figures: benchmarks/RESULTS.md.
#
#   benchmarks/cifar10_cpu.sh cifar_batches:/path/to/cifar-10-batches-py RUNS_FOLDER [SEED]
#
# PYTHON picks the interpreter. About 40 minutes on two cores. Few epochs ask for many small steps and a warm-up:
# batch 64, rate 0.1, cosine per step; losses, augmentation and everything else are the published configs'.
set -euo pipefail
source=$1 runs=$2 seed=${3:-0} python=${PYTHON:-python}
network="--config.network.stem=patch2 --config.network.width=16"

pretrain() { # method, epochs, further overrides
  local method=$1 epochs=$2
  shift 2
  # shellcheck disable=SC2086
  "$python" -m contrastive_jax.main --config="configs/$method.py:cifar10,resnet10" --workdir="$runs/$method-$seed" \
    --config.data.source="$source" --config.seed="$seed" --config.epochs="$epochs" --config.batch_size=64 \
    --config.learning_rate.peak=0.1 --config.learning_rate.scaling=none --config.log.every_steps=100 \
    --config.schedule.per=step --config.schedule.spans=after_warmup --config.schedule.warmup_epochs=0.5 \
    --config.schedule.warmup_from=0.0 --config.checkpoint.every_epochs=1.0 $network "$@"
  "$python" -m contrastive_jax.linear_eval --config=configs/linear_eval.py:quick \
    --config.pretrained="$runs/$method-$seed"
}

pretrain selfcon_s 5.0
pretrain supcon 5.0
pretrain cross_entropy 2.0
pretrain simclr 2.0
