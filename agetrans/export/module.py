"""A generator as a TensorFlow function of fixed types, and what its exports are held against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agetrans.snapshot import Snapshot

TOLERANCE = 1e-3
"""Largest difference of any value in [-1, 1] that an export may have: an eighth of a grey level."""
IMAGE, LABEL, RESULT = "image", "label", "aged"


class ExportError(ValueError):
    """A model could not be exported, or the export does not do what the model does. One sentence."""


@dataclass(frozen=True)
class Exportable:
    """A generator, ready to be exported.

    Attributes:
        module: what owns the variables.
        function: `function(image, label)` as a concrete TensorFlow function with one result, named `RESULT`.
        size: side of the picture.
        groups: width of the label.
        batch: pictures at once; None for any number.
    """

    module: Any
    function: Any
    size: int
    groups: int
    batch: int | None

    def sample(self, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """A random picture `(B, size, size, 3)` in [-1, 1] and labels `(B, groups)` between two groups each."""
        rng = np.random.default_rng(seed)
        batch = self.batch or 2
        # Smooth as photographs are: neighbouring pixels are alike.
        coarse = rng.uniform(-1, 1, (batch, 8, 8, 3)).astype(np.float32)
        image = np.repeat(np.repeat(coarse, self.size // 8, axis=1), self.size // 8, axis=2)
        position = rng.uniform(0, self.groups - 1, (batch, 1))
        label = np.maximum(0, 1 - np.abs(position - np.arange(self.groups)))
        return image, label.astype(np.float32)


def make_exportable(snapshot: Snapshot, batch: int | None) -> Exportable:
    """Traces a snapshot's generator, without noise.

    Args:
        snapshot: the model.
        batch: pictures at once; None for any number.

    Raises:
        ExportError: Keras runs on another backend than TensorFlow.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        raise ExportError("Models are exported with TensorFlow: run it without KERAS_BACKEND.")
    import tensorflow as tf

    generator = snapshot.generator
    size, groups = generator.size, generator.groups

    class Ageing(tf.Module):
        """The whole way from a framed face to the same face at another age."""

        def __init__(self) -> None:
            super().__init__()
            self.generator = generator

        @tf.function(
            input_signature=[
                tf.TensorSpec((batch, size, size, 3), tf.float32, IMAGE),
                tf.TensorSpec((batch, groups), tf.float32, LABEL),
            ]
        )
        def age(self, image: Any, label: Any) -> dict[str, Any]:
            return {RESULT: self.generator(image, label)}

    module = Ageing()
    return Exportable(module, module.age.get_concrete_function(), size, groups, batch)


def frozen_module(exportable: Exportable) -> Any:
    """The same function with its weights as constants: LiteRT's converter loses variables that Keras owns.

    Args:
        exportable: of a fixed batch.

    Returns:
        A `tf.Module` whose `age(image, label)` has the same signature.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    constant = convert_variables_to_constants_v2(exportable.function)
    picture = (exportable.batch, exportable.size, exportable.size, 3)
    signature = [
        tf.TensorSpec(picture, tf.float32, IMAGE),
        tf.TensorSpec((exportable.batch, exportable.groups), tf.float32, LABEL),
    ]

    class Frozen(tf.Module):
        """Calls the graph of constants."""

        @tf.function(input_signature=signature)
        def age(self, image: Any, label: Any) -> dict[str, Any]:
            return {RESULT: constant(image, label)[0]}

    return Frozen()


def check(exportable: Exportable, run: Callable[[np.ndarray, np.ndarray], np.ndarray], path: Path) -> float:
    """Holds an export against the Keras model.

    Args:
        exportable: the model.
        run: runs the export on a picture and a label.
        path: of the export, for the message.

    Returns:
        The largest difference.

    Raises:
        ExportError: it is above `TOLERANCE`, or not a number.
    """
    image, label = exportable.sample()
    expected = np.asarray(exportable.module.generator(image, label))
    result = run(image, label)
    if result.shape != expected.shape:
        raise ExportError(f"{path} gives {result.shape} instead of {expected.shape}: it has been removed.")
    difference = float(np.abs(result - expected).max())
    if not difference <= TOLERANCE:
        raise ExportError(f"{path} differs from the model by up to {difference:g}: it has been removed.")
    return difference
