#!/usr/bin/env bash
# The camera: the face in front of it at another age, ten age groups. Options go on to main.py, the last one wins:
#   ./demo/run_10group.sh --source film.mp4 --record aged.mp4
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../test/environment.sh"

prepare_environment
exec "$python" "$repository/demo/main.py" --img_size 1024 --group 10 --batch_size 16 \
  --snapshot agetrans_10group "$@"
