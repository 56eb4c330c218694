"""The formats: each function writes one, whole or not at all, and returns by how much it differs from the model."""

from __future__ import annotations

import importlib
import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from agetrans.export.module import (
    IMAGE,
    LABEL,
    RESULT,
    Exportable,
    ExportError,
    check,
    frozen_module,
    make_exportable,
)
from agetrans.pictures import NOTE
from agetrans.snapshot import Snapshot

FACTS = "agetrans.json"
OPSET = 17


def export_savedmodel(snapshot: Snapshot, path: Path) -> float:
    """Writes a TensorFlow SavedModel: a folder whose signature `serving_default` takes any number of pictures.

    TensorFlow Serving looks for a number below a model's folder: export to `models/agetrans/1`.

    Args:
        snapshot: the model.
        path: the folder, which is replaced if it is a SavedModel, and must otherwise not exist.

    Raises:
        ExportError: see `check`; or the folder is something else.
    """
    if path.exists() and not (path / "saved_model.pb").is_file():
        raise ExportError(f"{path} exists and is no SavedModel: give another --out.")
    exportable = make_exportable(snapshot, batch=None)
    import tensorflow as tf

    def write(place: Path) -> None:
        tf.saved_model.save(exportable.module, str(place), signatures=exportable.function)
        (place / FACTS).write_text(json.dumps(_facts(snapshot), indent=2) + "\n", encoding="utf-8")

    def run(place: Path, image: np.ndarray, label: np.ndarray) -> np.ndarray:
        served = tf.saved_model.load(str(place)).signatures["serving_default"]
        return served(**{IMAGE: tf.constant(image), LABEL: tf.constant(label)})[RESULT].numpy()

    return _write_checked(path, exportable, write, run)


def export_onnx(snapshot: Snapshot, path: Path) -> float:
    """Writes an ONNX file for one picture at a time (extra `export`); what a label's columns mean is in its metadata.

    Args:
        snapshot: the model.
        path: the file.

    Raises:
        ExportError: see `check`; or a package is missing.
    """
    tf2onnx, onnx, onnxruntime = (_needed(name) for name in ("tf2onnx", "onnx", "onnxruntime"))
    exportable = make_exportable(snapshot, batch=1)

    def write(place: Path) -> None:
        import tensorflow as tf

        shapes = (1, exportable.size, exportable.size, 3), (1, exportable.groups)
        signature = [
            tf.TensorSpec(shape, tf.float32, name) for shape, name in zip(shapes, (IMAGE, LABEL), strict=True)
        ]
        model, _ = tf2onnx.convert.from_function(
            exportable.module.age, input_signature=signature, opset=OPSET
        )
        facts = {
            key: value if isinstance(value, str) else json.dumps(value)
            for key, value in _facts(snapshot).items()
        }
        onnx.helper.set_model_props(model, facts)
        place.write_bytes(model.SerializeToString())

    def run(place: Path, image: np.ndarray, label: np.ndarray) -> np.ndarray:
        session = onnxruntime.InferenceSession(str(place), providers=["CPUExecutionProvider"])
        return session.run([RESULT], {IMAGE: image, LABEL: label})[0]

    return _write_checked(path, exportable, write, run)


def export_litert(snapshot: Snapshot, path: Path) -> float:
    """Writes a LiteRT (TensorFlow Lite) file for one picture at a time, for phones (extra `export`).

    Args:
        snapshot: the model.
        path: the file.

    Raises:
        ExportError: see `check`; or a package is missing.
    """
    interpreter = _needed("ai_edge_litert.interpreter", "ai-edge-litert")
    exportable = make_exportable(snapshot, batch=1)

    def write(place: Path) -> None:
        import tensorflow as tf

        saved = place.with_name(f"{place.name}.savedmodel")
        frozen = frozen_module(exportable)
        try:
            tf.saved_model.save(frozen, str(saved), signatures=frozen.age.get_concrete_function())
            place.write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(saved)).convert())
        finally:
            shutil.rmtree(saved, ignore_errors=True)

    def run(place: Path, image: np.ndarray, label: np.ndarray) -> np.ndarray:
        model = interpreter.Interpreter(model_path=str(place), num_threads=os.cpu_count())
        return model.get_signature_runner("serving_default")(**{IMAGE: image, LABEL: label})[RESULT]

    return _write_checked(path, exportable, write, run)


def _write_checked(
    path: Path,
    exportable: Exportable,
    write: Callable[[Path], None],
    run: Callable[[Path, np.ndarray, np.ndarray], np.ndarray],
) -> float:
    """Writes to a place beside, holds what runs there against the model, and only then gives it its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    _remove(unfinished)
    try:
        write(unfinished)
        difference = check(exportable, partial(run, unfinished), path)
        if path.is_dir():
            _remove(path)
        unfinished.replace(path)
    finally:
        _remove(unfinished)
    return difference


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _facts(snapshot: Snapshot) -> dict[str, Any]:
    """What one has to know to use the model."""
    return {
        "note": NOTE,
        "input": f"{IMAGE}: RGB in [-1, 1], a face framed as {snapshot.framing}; {LABEL}: weights of the age groups",
        "output": f"{RESULT}: the same face at that age, RGB, clip to [-1, 1]",
        "framing": snapshot.framing,
        "age_groups": list(snapshot.age_groups.names),
        "centres": list(snapshot.age_groups.centres),
    }


def _needed(module: str, package: str | None = None) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise ExportError(
            f'This export needs the package {package or module}: pip install "agetrans[export]".'
        ) from None
