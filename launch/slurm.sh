#!/usr/bin/env bash
#SBATCH --job-name=contrastive_jax
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-task=1
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --signal=TERM@120
# A SLURM job, one process per GPU. JAX finds the other processes from the step's environment.
# Two minutes before its time is over, the job saves, ends with status 75, and is queued again to go on from there.
#
#   sbatch launch/slurm.sh --config=configs/selfcon_s.py:cifar100,resnet18 --workdir=/shared/runs/a
set -euo pipefail
cd "${SLURM_SUBMIT_DIR:?run this with sbatch}"
srun "${PYTHON:-python}" -m contrastive_jax.main "$@" &
job=$!
trap 'kill -TERM "$job" 2>/dev/null || true' TERM # SLURM signals the processes, and on preemption this script as well
status=0
wait "$job" || status=$?
while kill -0 "$job" 2>/dev/null; do # a signal ended `wait`
  status=0
  wait "$job" || status=$?
done
((status != 75)) || scontrol requeue "$SLURM_JOB_ID"
exit "$status"
