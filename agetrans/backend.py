"""Running a function of tensors without gradients, the same way on every backend of Keras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as a graph under TensorFlow, without gradients under PyTorch."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function, autograph=False, reduce_retracing=True)
    if keras.backend.backend() == "torch":
        import torch

        return torch.inference_mode()(function)
    return function


def on_arrays(function: Callable[..., Any]) -> Callable[..., Any]:
    """The compiled function from NumPy arrays to a structure of NumPy arrays."""
    run = compiled(function)

    def call(*inputs: np.ndarray) -> Any:
        outputs = run(*(ops.convert_to_tensor(array) for array in inputs))
        return keras.tree.map_structure(ops.convert_to_numpy, outputs)

    return call
