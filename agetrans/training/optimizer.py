"""Adam for equalised layers, with steps of the size that plain layers would take."""

from __future__ import annotations

import math
from typing import Any

import keras

SHORTEST = 10.0
"""Factor on the steps of biases and of kernels with few inputs."""


def fan_in(shape: tuple[int, ...]) -> int:
    """Inputs of one output of a kernel.

    Args:
        shape: Of a kernel of a dense layer or a convolution, outputs last; kernels of several age groups,
            `(groups, 3, 3, inputs, outputs)`, have one more axis in front.
    """
    return math.prod(shape[1:-1] if len(shape) == 5 else shape[:-1])


@keras.saving.register_keras_serializable("agetrans")
class FanInAdam(keras.optimizers.Adam):
    """Adam whose steps are max(10, sqrt(fan-in)) times longer.

    An equalised layer stores its kernel with unit variance and multiplies it by 1 / sqrt(fan-in) when it runs (Karras
    et al., 2018). Adam's step has the same length for every number, so the deep layers' kernels move sqrt(fan-in), up
    to forty times, slower than in a plain network: fine for weeks of training, too slow for an hour. docs/decisions.md
    has the measurement.

    Args:
        kwargs: Those of `keras.optimizers.Adam`.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        longer = math.sqrt(fan_in(tuple(variable.shape))) if len(variable.shape) > 1 else 0.0
        super().update_step(gradient, variable, learning_rate * max(SHORTEST, longer))
