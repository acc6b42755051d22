#!/usr/bin/env bash
#SBATCH --job-name=contrastive_jax
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-task=1
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --signal=TERM@120
# A SLURM job, one process per GPU. JAX finds the other processes from the step's environment; a requeued job resumes.
#
#   sbatch launch/slurm.sh --config=configs/selfcon_s.py:cifar100,resnet18 --workdir=/shared/runs/a
set -euo pipefail
cd "${SLURM_SUBMIT_DIR:?run this with sbatch}"
exec srun "${PYTHON:-python}" -m contrastive_jax.main "$@"
