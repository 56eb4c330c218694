"""The activation of every StyleGAN2 layer, and the number formats that layers compute in."""

from __future__ import annotations

import math
from typing import Any

from keras import backend, ops

NEGATIVE_SLOPE = 0.2
GAIN = math.sqrt(2.0)


def scaled_leaky_relu(x: Any) -> Any:
    """sqrt(2) * leaky_relu(x, 0.2): keeps the variance of a standard-normal input near one.

    Args:
        x: Tensor of any shape.

    Returns:
        Tensor of the same shape and dtype.
    """
    return ops.leaky_relu(x * GAIN, negative_slope=NEGATIVE_SLOPE)


def activate(x: Any, activation: str | None) -> Any:
    """Applies one of the activations that the equalised layers know by name."""
    return scaled_leaky_relu(x) if activation == "scaled_leaky_relu" else x


def check_activation(activation: str | None) -> str | None:
    """Returns `activation` if an equalised layer knows it.

    Raises:
        ValueError: If it is neither None nor "scaled_leaky_relu".
    """
    if activation not in (None, "scaled_leaky_relu"):
        raise ValueError(
            f"activation must be None or 'scaled_leaky_relu'. Received: activation={activation!r}"
        )
    return activation


def at_least_float32(dtype: str) -> str:
    """The format for small tensors whose rounding would reach every pixel: styles, demodulation, filters."""
    return backend.result_type(dtype, "float32")
