"""The optimiser of equalised layers against Adam in NumPy."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from agetrans.training.optimizer import FanInAdam, fan_in

SHAPES = {
    "dense": ((400, 3), 20.0),
    "convolution": ((3, 3, 64, 2), 24.0),
    "groups": ((2, 3, 3, 36, 1), 18.0),
    "narrow": ((3, 3, 4, 5), 10.0),
    "bias": ((7,), 10.0),
    "strength": ((), 10.0),
}
"""Shapes, and how much longer than Adam's their steps are."""


def test_the_inputs_of_one_output() -> None:
    assert [fan_in(shape) for shape, _ in SHAPES.values()][:4] == [400, 576, 324, 36]


def adam(gradients: list[np.ndarray], rate: float) -> np.ndarray:
    """The sum of Adam's steps (Kingma and Ba, 2015, algorithm 1)."""
    first, second, total = 0.0, 0.0, 0.0
    for t, gradient in enumerate(gradients, start=1):
        first = 0.9 * first + 0.1 * gradient
        second = 0.99 * second + 0.01 * gradient**2
        total -= rate * (first / (1 - 0.9**t)) / (np.sqrt(second / (1 - 0.99**t)) + 1e-8)
    return total


@pytest.mark.parametrize("name", SHAPES)
def test_steps_are_longer_by_the_root_of_the_inputs(name: str) -> None:
    shape, factor = SHAPES[name]
    stream = np.random.RandomState(0)
    gradients = [stream.standard_normal(shape).astype("f") for _ in range(3)]
    variable = keras.Variable(np.zeros(shape, "f"))
    optimizer = FanInAdam(1e-3, beta_1=0.9, beta_2=0.99, epsilon=1e-8)
    for gradient in gradients:
        optimizer.apply([ops.convert_to_tensor(gradient)], [variable])
    moved = np.asarray(ops.convert_to_numpy(variable.value))
    np.testing.assert_allclose(moved, factor * adam(gradients, 1e-3), rtol=1e-3, atol=1e-6)
