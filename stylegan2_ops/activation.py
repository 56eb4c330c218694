"""The activation of every StyleGAN2 layer, and the number format of small tensors."""

from __future__ import annotations

import math
from typing import Any

from keras import backend, ops

NEGATIVE_SLOPE = 0.2
GAIN = math.sqrt(2.0)


def scaled_leaky_relu(x: Any) -> Any:
    """sqrt(2) * leaky_relu(x, 0.2): keeps the mean square of a standard-normal input near one.

    Args:
        x: Tensor of any shape.

    Returns:
        Tensor of the same shape and dtype.
    """
    return ops.leaky_relu(x * GAIN, negative_slope=NEGATIVE_SLOPE)


def activation_gain(activation: str | None) -> float:
    """The gain that a layer folds into its kernel and bias before `activate`.

    leaky_relu(gain * x) = gain * leaky_relu(x), and kernel and bias are smaller than the activations.

    Raises:
        ValueError: If the activation is neither None nor "scaled_leaky_relu".
    """
    if activation not in (None, "scaled_leaky_relu"):
        raise ValueError(
            f"activation must be None or 'scaled_leaky_relu'. Received: activation={activation!r}"
        )
    return 1.0 if activation is None else GAIN


def activate(x: Any, activation: str | None) -> Any:
    """Applies an activation by name, its gain excepted: see `activation_gain`."""
    return x if activation is None else ops.leaky_relu(x, negative_slope=NEGATIVE_SLOPE)


def at_least_float32(dtype: Any) -> str:
    """The format of small tensors whose rounding would reach every pixel, such as styles."""
    return "float64" if backend.standardize_dtype(dtype) == "float64" else "float32"
