#!/usr/bin/env bash
# Several GPUs of one machine, one process each. `local.sh` drives them all from one process and is as fast for most
# runs; separate processes help where one Python thread cannot feed all the devices.
#
# SIGTERM and Ctrl-C reach every process; they save, and the script ends with their status.
#
#   GPUS=4 launch/multi_gpu.sh --config=configs/selfcon_s.py:cifar100,resnet18 --workdir=runs/a
set -euo pipefail
cd "$(dirname "$0")/.."
gpus=${GPUS:?say how many: GPUS=4}
port=${PORT:-12355}
pids=()
trap 'kill -TERM "${pids[@]}" 2>/dev/null || true' INT TERM
for ((process = 0; process < gpus; process++)); do
  CUDA_VISIBLE_DEVICES=$process "${PYTHON:-python}" -m contrastive_jax.main "$@" \
    --coordinator="127.0.0.1:$port" --processes="$gpus" --process="$process" &
  pids+=($!)
done
status=0
for pid in "${pids[@]}"; do
  while true; do # a signal ends `wait` too
    code=0
    wait "$pid" || code=$?
    kill -0 "$pid" 2>/dev/null || break
  done
  ((code == 0)) || status=$code
done
exit "$status"
