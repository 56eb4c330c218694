# Runs agetrans.cli.faceplusplus with the Python of this clone. Sourced by age.sh and face_verification.sh.
# shellcheck shell=bash
. "$(dirname "${BASH_SOURCE[0]}")/../test/environment.sh"

run_faceplusplus() {
  python="$environment/bin/python"
  "$python" -c 'import agetrans, requests' 2>/dev/null || prepare_environment
  exec "$python" -m agetrans.cli.faceplusplus "$@"
}
