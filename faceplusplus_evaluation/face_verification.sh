#!/usr/bin/env bash
# Asks Face++ whether outputs show the person of the original of the same name:
# ./face_verification.sh OUTPUTS ORIGINALS CSV writes rows index,file,confidence to CSV.
# The key comes from FACEPP_API_KEY and FACEPP_API_SECRET, the host from FACEPP_API_HOST: see docs/evaluation.md.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/python.sh"

run_faceplusplus compare "$@"
