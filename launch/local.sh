#!/usr/bin/env bash
# One machine: one process drives all its devices (CPU, one GPU, several GPUs, or one TPU host).
#
#   launch/local.sh --config=configs/selfcon_s.py:cifar100,resnet18 --workdir=runs/a
#
# DEVICES=N simulates N devices on a CPU. PYTHON picks the interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -z "${DEVICES:-}" ] || export JAX_NUM_CPU_DEVICES="$DEVICES" JAX_PLATFORMS=cpu
exec "${PYTHON:-python}" -m contrastive_jax.main "$@"
