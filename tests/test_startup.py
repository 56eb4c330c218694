"""TensorFlow's start-up lines are held back; all else on standard error is not."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from agetrans.startup import _without_noise

NOISE = """\
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795322623.549211    5100 port.cc:153] oneDNN custom operations are on. You may see ...
2024-11-22 05:01:02.123456: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on.
To enable the following instructions: AVX2 AVX512F FMA, in other operations, rebuild TensorFlow with ...
E0000 00:00:1795322629.793748    5100 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error
W0000 00:00:1795322629.793748    5100 gpu_device.cc:2] Cannot dlopen some GPU libraries.
"""


def test_passes_on_what_is_not_tensorflows_log(capfd):
    with _without_noise():
        os.write(2, NOISE.encode() + b"Something that matters\n")
        os.write(2, b"file.py:1: UserWarning: a warning of Python\n")
        os.write(2, b"F0000 00:00:1795322629.793748    5100 a fatal error is no noise\nno end of line")
    err = capfd.readouterr().err
    lines = err.splitlines()
    assert lines[0] == "Something that matters"
    assert "a warning of Python" in lines[1]
    assert lines[-2:] == [
        "F0000 00:00:1795322629.793748    5100 a fatal error is no noise",
        "no end of line",
    ]
    assert not any(line in err for line in NOISE.splitlines())


def test_passes_on_everything_when_starting_fails(capfd):
    def start() -> None:
        with _without_noise():
            os.write(2, b"the reason\n")
            raise ImportError("no backend")

    with pytest.raises(ImportError, match="no backend"):
        start()
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "the reason\nafterwards\n"


def test_a_program_without_standard_error_starts():
    program = (
        "import os; os.close(2); import agetrans.startup as s\nwith s._without_noise(): print('started')"
    )
    result = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert (result.returncode, result.stdout) == (0, "started\n")


def test_tensorflow_starts_in_silence():
    program = (
        "from agetrans.startup import start_keras; start_keras(); import keras; keras.ops.conv("
        "keras.ops.zeros((1, 8, 8, 3)), keras.ops.zeros((3, 3, 3, 4))); print(keras.backend.backend())"
    )
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("TF_", "KERAS_"))
    }
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert (result.stdout, result.stderr) == ("tensorflow\n", "")
