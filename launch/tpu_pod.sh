#!/usr/bin/env bash
# A Cloud TPU pod slice: the same command on every host. JAX finds the other hosts from the TPU environment.
#
#   TPU=my-pod ZONE=us-central2-b launch/tpu_pod.sh --config=configs/selfcon_s.py:cifar100,resnet18 --workdir=/shared/runs/a
#
# The run directory must be on a file system that all hosts share. The checkout must be at the same path on all hosts
# (CHECKOUT, default ~/contrastive_jax) and contain its .venv.
set -euo pipefail
arguments=$(printf '%q ' "$@")
gcloud compute tpus tpu-vm ssh "${TPU:?name of the TPU}" --zone="${ZONE:?its zone}" --worker=all \
  --command="cd ${CHECKOUT:-~/contrastive_jax} && .venv/bin/python -m contrastive_jax.main $arguments"
