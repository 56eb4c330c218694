#!/usr/bin/env bash
# Trains on a machine that has PyTorch and nothing else: no TensorFlow, no network. Goes on where an earlier call
# stopped, if its parts are there.
#
#   scripts/train_on_gpu_machine.sh SHARDS WHEELS RUN OUT [flags of train.py]
#
# SHARDS  folder of `agetrans prepare`
# WHEELS  folder of wheels, made where there is a network with
#         pip download --no-deps -d WHEELS -r scripts/gpu_machine_wheels.txt
#         which says what it takes to be there
# RUN     folder of the run
# OUT     gets state, averaged generator and log in parts of at most 16 MiB; `scripts/parts.py join OUT FILE` makes
#         them whole. Parts that lie there are where the run goes on.
#
# SECONDS_LEFT=540 ends the run, saved, after that time. PYTHON names the interpreter (default: python3).
set -euo pipefail
if [ $# -lt 4 ]; then
  sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2
  exit 2
fi
shards=$1 wheels=$2 run=$3 out=$4
shift 4
python=${PYTHON:-python3}
repository="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
packages="$run/packages"

mkdir -p "$run" "$out" "$packages"
# Every wheel as it lies there: nothing is looked up, and TensorFlow, which the package asks for, is not missed.
if compgen -G "$wheels/*.whl" > /dev/null; then
  "$python" -m pip install --quiet --no-index --no-deps --upgrade --target "$packages" "$wheels"/*.whl
fi
export KERAS_BACKEND=torch PYTHONPATH="$repository:$packages${PYTHONPATH:+:$PYTHONPATH}"

for name in state.weights.h5 generator.weights.h5 settings.json log.jsonl; do
  if [ ! -e "$run/$name" ] && [ -e "$out/$name.sha256" ]; then
    "$python" "$repository/scripts/parts.py" join "$out" "$run/$name"
  fi
done

status=0
limit=()
if [ -n "${SECONDS_LEFT:-}" ]; then limit=(timeout --signal=TERM --kill-after=60 "$SECONDS_LEFT"); fi
"${limit[@]}" "$python" "$repository/train.py" --data "$shards" --out "$run" "$@" || status=$?

for name in state.weights.h5 generator.weights.h5 settings.json log.jsonl; do
  if [ -e "$run/$name" ]; then "$python" "$repository/scripts/parts.py" cut "$run/$name" "$out"; fi
done
# 124 and 130: the time was over, which was planned.
if [ "$status" -eq 124 ] || [ "$status" -eq 130 ]; then status=0; fi
exit "$status"
