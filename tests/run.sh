#!/usr/bin/env bash
# Runs every check: ruff, mypy, the tests that depend on the backend with PyTorch (where it is installed), and
# all tests with TensorFlow. Arguments go on to pytest: ./tests/run.sh -k snapshot
# AGETRANS_TORCH=2.13.0 ./tests/run.sh installs that version of PyTorch first.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../test/environment.sh"

prepare_environment dev ${AGETRANS_TORCH:+"torch==$AGETRANS_TORCH"}
cd "$repository"

echo "ruff: style"
"$python" -m ruff check --quiet .
"$python" -m ruff format --check --quiet .
echo "mypy: types"
"$python" -m mypy

if "$python" -c 'import mkdocstrings' 2>/dev/null; then
  echo "mkdocs: the documents, no broken link"
  NO_MKDOCS_2_WARNING=1 "$python" -m mkdocs build --quiet
fi

if "$python" -c 'import torch' 2>/dev/null; then
  echo "pytest: the PyTorch backend"
  status=0
  KERAS_BACKEND=torch "$python" -m pytest --quiet --backend-tests "$@" || status=$?
  # 5: the arguments select none of these tests, which is no failure.
  if [ "$status" -ne 0 ] && [ "$status" -ne 5 ]; then exit "$status"; fi
else
  echo "pytest: PyTorch is not installed, so its backend is not tested (AGETRANS_TORCH=2.13.0 installs it)"
fi

echo "pytest: everything, with TensorFlow"
KERAS_BACKEND=tensorflow exec "$python" -m pytest "$@"
