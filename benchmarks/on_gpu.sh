#!/usr/bin/env bash
# Everything that needs a GPU, in pieces; each ends within nine minutes and may be run alone. Figures: RESULTS.md.
#
#   benchmarks/on_gpu.sh check  OUT                      correctness: methods, losses, the commands; nothing is timed
#   benchmarks/on_gpu.sh speed  OUT                      train steps and losses beside torch.compile
#   benchmarks/on_gpu.sh train  OUT SOURCE METHOD EPOCHS [OVERRIDES]   a ResNet-18 on CIFAR-100, pretrained and judged
#
# OUT is a folder for logs and results. SOURCE is where CIFAR-100 is: cifar_batches:/path/to/cifar-100-python. PYTHON
# picks the interpreter; LIMIT replaces the seconds that a step may take; SIZE=tiny rehearses `check` and `speed` on any
# machine. The environment needs the packages of `pip install .[train]` with JAX's CUDA plugin, and for `speed` also
# PyTorch and torchvision. No network is used.
set -uo pipefail
piece=$1 python=${PYTHON:-python} size=${SIZE:-full}
out=$(mkdir -p "$2" && cd "$2" && pwd) || exit
cd "$(dirname "$0")/.." || exit
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1

# Runs a command with a limit in seconds, keeps its output in OUT/NAME.log and prints the end of it.
try() { # NAME LIMIT COMMAND...
  local name=$1 limit=${LIMIT:-$2} status started=$SECONDS
  shift 2
  timeout "$limit" "$@" >"$out/$name.log" 2>&1
  status=$?
  echo "== $name: exit $status after $((SECONDS - started)) s"
  tail -n "${LINES_SHOWN:-45}" "$out/$name.log"
  return $status
}

check() {
  # Side by side: compiling is most of it, and nothing is timed. The memory is shared.
  export XLA_PYTHON_CLIENT_PREALLOCATE=false
  local only=() failed=0 job jobs=()
  [ "$size" = tiny ] && only=(--only=supcon) && set -- --processes=1
  try methods 240 env XLA_FLAGS=--xla_gpu_autotune_level=0 "$python" benchmarks/gpu_agreement.py "${only[@]}" "$@" & jobs+=($!)
  try losses 240 "$python" -m contrastive_jax selftest "${only[@]}" & jobs+=($!)
  quickstart & jobs+=($!)
  for job in "${jobs[@]}"; do wait "$job" || failed=1; done
  return $failed
}

quickstart() {
  local short=()
  [ "$size" = tiny ] && short=(--config.epochs=0.1)
  try pretrain 240 "$python" -m contrastive_jax.main --config=configs/quickstart.py \
    --workdir="$out/quickstart" "${short[@]}" &&
    try judge 120 "$python" -m contrastive_jax.linear_eval --config=configs/linear_eval.py:quick \
      --config.pretrained="$out/quickstart"
}

speed() {
  if [ "$size" = tiny ]; then
    try steps 500 "$python" benchmarks/gpu_speed.py tiny --steps=2 --repetitions=2 &&
      try loss 200 "$python" benchmarks/similarity.py time --rows 256 --runs 2
    return
  fi
  local failed=0
  try ours 240 "$python" benchmarks/gpu_speed.py ours || failed=1
  try torch 180 "$python" benchmarks/gpu_speed.py torch || failed=1
  try loss 100 "$python" benchmarks/similarity.py time --rows 4096 16384 65536 || failed=1
  return $failed
}

train() { # SOURCE METHOD EPOCHS OVERRIDES...
  local source=$1 method=$2 epochs=$3
  local run="$out/$method" protocol=selfcon
  [ "$method" = cross_entropy ] && protocol=own
  try "$method" 500 "$python" -m contrastive_jax.main --config="configs/$method.py:cifar100,resnet18" \
    --workdir="$run" --config.data.source="$source" --config.epochs="$epochs" \
    --config.checkpoint.every_epochs=10.0 "${@:4}" &&
    try "$method-linear" 200 "$python" -m contrastive_jax.linear_eval --config="configs/linear_eval.py:$protocol" \
      --config.pretrained="$run" --config.controls=False
}

case $piece in
  check | speed) "$piece" ;;
  train) train "${@:3}" ;;
  *) echo "the pieces are check, speed and train" >&2; exit 2 ;;
esac
