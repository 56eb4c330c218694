#!/usr/bin/env bash
# Ages test/img/1.jpg through four groups, 15-29 to 50+. Options go on to main.py, the last one wins:
#   ./test/run_4group.sh --file my_photo.jpg
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

prepare_environment
exec "$python" "$repository/test/main.py" --img_size 1024 --group 4 --batch_size 16 \
  --snapshot agetrans_4group --file img/1.jpg "$@"
