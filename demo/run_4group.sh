#!/usr/bin/env bash
# The camera: the face in front of it at another age, four age groups. Options go on to main.py, the last one wins:
#   ./demo/run_4group.sh --source film.mp4 --record aged.mp4
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../test/environment.sh"

prepare_environment
exec "$python" "$repository/demo/main.py" --img_size 1024 --group 4 --batch_size 16 \
  --snapshot agetrans_4group "$@"
