"""One implementation of AgeTransGAN in a process of its own, so that its memory is its own: driven by generator.py.

Reads commands from standard input, one a line, and answers each with a line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

MATRIX = 2048


def main(implementation: str, checkpoint: Path, batch: int, output: Path) -> None:
    """Serves commands until standard input ends: run, peak, save."""
    framework, precision = implementation.split("-")
    make = {"agetrans": _agetrans, "pytorch": _pytorch}[framework]
    paint, multiply = make(checkpoint, batch, precision)
    answers: dict[str, Callable[[], dict[str, Any]]] = {
        "run": lambda: _timed(paint),
        "multiply": lambda: _timed(multiply),
        "peak": lambda: {"bytes": _peak_memory()},
        "save": lambda: _save(paint, output),
    }
    print(json.dumps({}), flush=True)
    for line in sys.stdin:
        print(json.dumps(answers[line.strip()]()), flush=True)


def _agetrans(checkpoint: Path, batch: int, precision: str) -> tuple[Callable[[], Any], Callable[[], Any]]:
    from agetrans.snapshot import PRECISIONS
    from agetrans.startup import start_keras

    start_keras()
    import keras
    from keras import ops

    from agetrans.backend import compiled
    from agetrans.conversion.agetransgan import load

    keras.config.set_dtype_policy(PRECISIONS[precision])
    generator = load(checkpoint)
    run = compiled(lambda image, label: generator(image, label))
    image, label = (
        ops.convert_to_tensor(array) for array in _inputs(generator.size, generator.groups, batch)
    )
    matrix = ops.cast(ops.convert_to_tensor(_matrix()), precision)
    product = compiled(ops.matmul)
    return lambda: ops.convert_to_numpy(run(image, label)), lambda: product(matrix, matrix)


def _pytorch(checkpoint: Path, batch: int, precision: str) -> tuple[Callable[[], Any], Callable[[], Any]]:
    import torch

    from benchmarks.torch_agetransgan import paint

    dtype = getattr(torch, precision)
    state = torch.load(checkpoint, weights_only=True)["g_ema"]
    groups = state["convs_e.0.0.weight"].shape[1] - 3
    size = max(tensor.shape[-1] for name, tensor in state.items() if name.startswith("noises."))
    images, labels = _inputs(size, groups, batch)
    image, label = torch.from_numpy(images.transpose(0, 3, 1, 2).copy()), torch.from_numpy(labels)
    matrix = torch.from_numpy(_matrix()).to(dtype)

    def run() -> np.ndarray:
        with torch.inference_mode():
            return paint(state, image, label).numpy().transpose(0, 2, 3, 1)

    return run, lambda: torch.matmul(matrix, matrix)


def _inputs(size: int, groups: int, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """One picture, and a label for each sample."""
    stream = np.random.RandomState(0)
    image = stream.uniform(-1, 1, (1, size, size, 3)).astype(np.float32)
    labels = stream.dirichlet(np.ones(groups), batch).astype(np.float32)
    return np.repeat(image, batch, axis=0), labels


def _matrix() -> np.ndarray:
    return np.random.RandomState(0).standard_normal((MATRIX, MATRIX)).astype(np.float32)


def _timed(work: Callable[[], Any]) -> dict[str, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


def _save(paint: Callable[[], np.ndarray], output: Path) -> dict[str, Any]:
    np.save(output, paint()[:1])
    return {}


def _peak_memory() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
