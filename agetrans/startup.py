"""Starting Keras and its backend without the lines that TensorFlow writes to the terminal while it starts."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

# Lines of TensorFlow's own logs below a fatal error, old format and new, with their continuation.
_NOISE = re.compile(
    rb"^(WARNING: All log messages before absl::InitializeLog"
    rb"|[IWE]\d{4} \d\d:\d\d:"
    rb"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWE] "
    rb"|To enable the following instructions:)"
)


def start_keras() -> None:
    """Imports Keras with the backend that `KERAS_BACKEND` names (TensorFlow by default) and wakes its device.

    Everything of this package that computes calls this before it imports Keras. Some of TensorFlow's messages
    heed no setting, so standard error is held back meanwhile; whatever else is written there is passed on.
    """
    if "keras" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with _without_noise():
        import keras

        # CPU features and graphics drivers are reported when the first tensor is made.
        keras.ops.zeros((1,))


@contextmanager
def _without_noise() -> Iterator[None]:
    """Holds back what native code writes to standard error; passes on what is not TensorFlow's log."""
    sys.stderr.flush()
    try:
        terminal = os.dup(2)
    except OSError:  # a program without a standard error has nothing to keep clean
        yield
        return
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)
            held_back.seek(0)
            for line in held_back:
                if not _NOISE.match(line):
                    os.write(2, line)
