#!/usr/bin/env bash
# Asks Face++ for the age of every picture in a folder: ./age.sh FOLDER NAME writes rows index,file,age to NAME_age.csv.
# The key comes from FACEPP_API_KEY and FACEPP_API_SECRET, the host from FACEPP_API_HOST: see docs/evaluation.md.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/python.sh"

run_faceplusplus age "$@"
