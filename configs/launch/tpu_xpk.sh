#!/usr/bin/env bash
# One TPU slice of a GKE cluster by xpk, which makes a JobSet of it.
#
#   PROJECT=mine ZONE=us-east5-b CLUSTER=tpus IMAGE=... \
#     bash configs/launch/tpu_xpk.sh
#
# IMAGE is docker/cpu.Dockerfile with EXTRAS=tpu, pushed to a
# registry; STORAGE is of `xpk storage attach`: a share with locks (Filestore),
# mounted at /shared.
set -euo pipefail
: "${PROJECT:?project of Google Cloud}" "${ZONE:?zone of the cluster}"
: "${CLUSTER:?name of the cluster}" "${IMAGE:?image with the package}"
NAME=${NAME:-mem-alpha}
SLICE=${SLICE:-v6e-16}
CONFIG=${CONFIG:-configs/tpu_v6e.py}

xpk workload create --project="$PROJECT" --zone="$ZONE" --cluster="$CLUSTER" \
  --workload="$NAME" --tpu-type="$SLICE" --num-slices=1 \
  --docker-image="$IMAGE" --max-restarts=10 \
  --command="mem-alpha --config=$CONFIG --workdir=/shared/$NAME --distributed"
