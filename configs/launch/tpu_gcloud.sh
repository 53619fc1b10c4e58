#!/usr/bin/env bash
# One TPU slice by gcloud; the same command again goes on where a run stopped.
#
#   PROJECT=mine ZONE=us-central2-b NFS=10.0.0.2:/share \
#     bash configs/launch/tpu_gcloud.sh
#
# NFS is a share with locks (Filestore) that holds the workdir for all hosts.
# Delete the slice when the run is done: it costs while it is there.
set -euo pipefail
: "${PROJECT:?project of Google Cloud}" "${ZONE:?zone that has the slice}"
: "${NFS:?host:/share of a Filestore instance}"
NAME=${NAME:-mem-alpha}
SLICE=${SLICE:-v4-64}                        # configs/tpu_v4.py: 32 chips
VERSION=${VERSION:-tpu-ubuntu2204-base}      # v6e: v2-alpha-tpuv6e
REPOSITORY=${REPOSITORY:-$(git remote get-url origin)}
CONFIG=${CONFIG:-configs/tpu_v4.py}
WHERE=(--project="$PROJECT" --zone="$ZONE")

gcloud compute tpus tpu-vm describe "$NAME" "${WHERE[@]}" >/dev/null 2>&1 ||
  gcloud compute tpus tpu-vm create "$NAME" "${WHERE[@]}" \
    --accelerator-type="$SLICE" --version="$VERSION"

gcloud compute tpus tpu-vm ssh "$NAME" "${WHERE[@]}" --worker=all --command="
  set -e
  sudo apt-get install -yqq nfs-common python3-venv
  sudo mkdir -p /shared
  mountpoint -q /shared || sudo mount '$NFS' /shared
  test -d mem_alpha_jax || git clone -q '$REPOSITORY' mem_alpha_jax
  cd mem_alpha_jax
  test -x .venv/bin/mem-alpha || {
    python3 -m venv .venv && .venv/bin/pip install -q -e '.[tpu]'; }
  .venv/bin/mem-alpha --config='$CONFIG' --workdir=/shared/'$NAME' --distributed
"
