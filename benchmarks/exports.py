"""The table of docs/export.md: size, difference, and processor time with one thread of a snapshot and its exports.

python benchmarks/exports.py --snapshot agetrans_10group
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from agetrans.export import formats
from agetrans.export.module import IMAGE, LABEL, RESULT, make_exportable
from agetrans.snapshot import find_snapshot, load_snapshot
from agetrans.startup import start_keras


def savedmodel(path: Path) -> Callable[..., Any]:
    """The export as TensorFlow runs it."""
    import tensorflow as tf

    return tf.saved_model.load(str(path)).signatures["serving_default"]


def onnx(path: Path) -> Callable[..., Any]:
    """The export as ONNX Runtime runs it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda **given: session.run([RESULT], given)


def litert(path: Path) -> Callable[..., Any]:
    """The export as LiteRT runs it."""
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter(model_path=str(path), num_threads=1).get_signature_runner("serving_default")


PROGRAMS = {
    "savedmodel": (savedmodel, formats.export_savedmodel),
    "onnx": (onnx, formats.export_onnx),
    "litert": (litert, formats.export_litert),
}


def megabytes(path: Path) -> float:
    """Of a file or a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6


def milliseconds(run: Callable[[], Any], rounds: int) -> float:
    """Mean processor time; a first run is not timed."""
    run()
    begin = time.process_time()
    for _ in range(rounds):
        run()
    return (time.process_time() - begin) / rounds * 1000


def main() -> None:
    """Prints a row for the snapshot and for each of its exports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--snapshot", default="agetrans_10group", help="the model (default: agetrans_10group)"
    )
    parser.add_argument("--rounds", type=int, default=8, help="timed runs of each (default: 8)")
    arguments = parser.parse_args()
    os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    start_keras()
    import tensorflow as tf

    folder = find_snapshot(arguments.snapshot)
    snapshot = load_snapshot(folder)
    exportable = make_exportable(snapshot, batch=1)
    image, label = exportable.sample()
    given = {IMAGE: tf.constant(image), LABEL: tf.constant(label)}
    spent = milliseconds(lambda: np.asarray(exportable.function(**given)[RESULT]), arguments.rounds)
    print("| | size | difference | processor time for a picture | for writing it |\n|---|---|---|---|---|")
    print(
        f"| snapshot, as a graph of TensorFlow | {megabytes(folder):.1f} MB | | {spent:.0f} ms | |",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as name:
        for kind, (load, export) in PROGRAMS.items():
            path, begin = Path(name) / kind, time.process_time()
            difference = export(snapshot, path)
            writing = time.process_time() - begin
            run = load(path)
            fed: dict[str, Any] = given if kind == "savedmodel" else {IMAGE: image, LABEL: label}
            spent = milliseconds(lambda run=run, fed=fed: run(**fed), arguments.rounds)
            print(
                f"| {kind} | {megabytes(path):.1f} MB | {difference:.1e} | {spent:.0f} ms | {writing:.0f} s |",
                flush=True,
            )


if __name__ == "__main__":
    main()
