#!/usr/bin/env bash
# The main job on real CIFAR-10 with a network that two CPU cores carry. Figures: benchmarks/RESULTS.md.
#
#   benchmarks/cifar10_cpu.sh cifar_batches:/path/to/cifar-10-batches-py RUNS_FOLDER [SEED]
#
# PYTHON picks the interpreter. About 40 minutes on two cores.
set -euo pipefail
source=$1 runs=$2 seed=${3:-0} python=${PYTHON:-python}
network="--config.network.stem=patch2 --config.network.width=16"

pretrain() { # method, epochs, further overrides
  local method=$1 epochs=$2
  shift 2
  # shellcheck disable=SC2086
  "$python" -m contrastive_jax.main --config="configs/$method.py:cifar10,resnet10" --workdir="$runs/$method-$seed" \
    --config.data.source="$source" --config.seed="$seed" --config.epochs="$epochs" --config.batch_size=256 \
    --config.checkpoint.every_epochs=1.0 --config.schedule.warmup_epochs=0.0 $network "$@"
  "$python" -m contrastive_jax.linear_eval --config=configs/linear_eval.py:quick \
    --config.pretrained="$runs/$method-$seed"
}

pretrain selfcon_s 5.0
pretrain supcon 5.0 --config.learning_rate.peak=0.125
pretrain cross_entropy 2.0
pretrain simclr 2.0 --config.learning_rate.peak=0.125
