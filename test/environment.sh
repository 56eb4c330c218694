# Makes or reuses the virtual environment of this clone, .venv. Sourced by test/run_*.sh and tests/run.sh.
# shellcheck shell=bash

repository="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
environment="$repository/.venv"

# Records what is installed. It is written last, so it exists only beside a whole installation.
stamp="$environment/agetrans-installed"
# Lies beside an installation that has begun; one that was cut off leaves it behind.
unfinished="$environment/agetrans-unfinished"

# An interpreter that can make the environment, or nothing.
find_python() {
  local candidate
  for candidate in ${PYTHON:+"$PYTHON"} python3 python3.12 python3.13 python3.11 python3.10 python; do
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' \
      >/dev/null 2>&1; then
      printf '%s\n' "$candidate"
      return
    fi
  done
}

# The record that an installation of these parts, from this pyproject.toml, in this place, leaves.
fingerprint() {
  printf '%s %s\n' "$(cksum <"$repository/pyproject.toml")" "$repository"
}

# Whether all of the given parts are installed.
is_installed() {
  local recorded parts part
  [ -x "$environment/bin/python" ] && [ -f "$stamp" ] || return 1
  { IFS= read -r recorded && IFS= read -r parts; } <"$stamp" || return 1
  [ "$recorded" = "$(fingerprint)" ] || return 1
  for part in "$@"; do
    case " $parts " in *" $part "*) ;; *) return 1 ;; esac
  done
}

# Makes the environment hold AgeTrans and the given parts: extras of pyproject.toml, or requirements such as
# torch==2.13.0. Leaves its interpreter in $python.
prepare_environment() {
  python="$environment/bin/python"
  is_installed "$@" && return

  local base
  base="$(find_python)"
  if [ -z "$base" ]; then
    echo "AgeTrans needs Python 3.10, 3.11, 3.12 or 3.13 with its venv module, and found none. Install one" \
      "(on Debian and Ubuntu: apt install python3 python3-venv), or name one: PYTHON=/path/to/python3.12 $0" >&2
    exit 1
  fi

  # One installation at a time. The lock is held by this open file, so it ends with this process, however it ends.
  exec 9<"$repository/pyproject.toml"
  if ! "$base" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)' 2>/dev/null; then
    echo "Waiting for another run that is installing into .venv ..."
    "$base" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)'
  fi
  is_installed "$@" || install_parts "$base" "$@"
  exec 9<&-
}

install_parts() {
  local base="$1" began=$SECONDS recorded parts="" part extras="" requirements=()
  shift

  if [ -d "$environment" ] && { [ -e "$unfinished" ] || ! "$python" -m pip --version >/dev/null 2>&1; }; then
    echo "The virtual environment .venv is not whole (an installation was cut off, or its Python is gone): starting afresh."
    rm -rf "$environment"
  fi
  if [ ! -d "$environment" ]; then
    echo "Making the virtual environment .venv with $("$base" --version) ..."
    mkdir -p "$environment" && : >"$unfinished"
    "$base" -m venv "$environment" || give_up
  fi

  # Parts that are there already stay in step with a pyproject.toml that has changed.
  if [ -f "$stamp" ]; then
    { IFS= read -r recorded && IFS= read -r parts; } <"$stamp" || true
  fi
  for part in "$@"; do
    case " $parts " in *" $part "*) ;; *) parts="${parts:+$parts }$part" ;; esac
  done
  for part in $parts; do
    case "$part" in
      *[=\<\>]*) requirements+=("$part") ;;
      *) extras="${extras:+$extras,}$part" ;;
    esac
  done

  echo "Installing AgeTrans${parts:+ with $parts} into .venv. TensorFlow is large: the first time takes some minutes ..."
  : >"$unfinished"
  rm -f "$stamp"
  "$python" -m pip install --quiet --disable-pip-version-check --no-input \
    --editable "$repository${extras:+[$extras]}" ${requirements[@]+"${requirements[@]}"} || give_up
  printf '%s\n%s\n' "$(fingerprint)" "$parts" >"$stamp.new"
  mv "$stamp.new" "$stamp"
  rm -f "$unfinished"
  echo "Installed in $((SECONDS - began)) seconds."
}

give_up() {
  echo "The installation did not finish; the reason is above. Run $0 again when it is gone." >&2
  exit 1
}
