#!/usr/bin/env bash
# Ages test/img/1.jpg through ten groups, 0-2 to 70+. Options go on to main.py, the last one wins:
#   ./test/run_10group.sh --file my_photo.jpg
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

prepare_environment
exec "$python" "$repository/test/main.py" --img_size 1024 --group 10 --batch_size 16 \
  --snapshot agetrans_10group --file img/1.jpg "$@"
