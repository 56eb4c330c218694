"""Layers with known random weights."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops


def randomized(layer: keras.layers.Layer, seed: int = 0) -> dict[str, np.ndarray]:
    """Gives a built layer standard-normal weights and returns them in float64, by their path below the layer."""
    stream = np.random.RandomState(seed)
    values = {}
    for variable in layer.weights:
        variable.assign(stream.standard_normal(variable.shape).astype("f"))
        values[variable.path.split(f"{layer.name}/")[-1]] = numbers(variable)
    return values


def numbers(x: Any) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(ops.cast(x, "float64")))


def normal(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.RandomState(seed).standard_normal(shape).astype("f")
