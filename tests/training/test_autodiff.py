"""The seam between backends against derivatives worked out by hand."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from agetrans.training.autodiff import input_gradient, value_and_gradients

X = np.array([[0.5, -1.5], [2.0, 3.0]], "f")
TARGET = X[:, :1].copy()


def numbers(x: Any) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(x))


def test_gradients_over_variables() -> None:
    a, b, unused = (keras.Variable(value) for value in (2.0, 3.0, 4.0))
    value, gradients = value_and_gradients(lambda: a * a * b, [a, b, unused])
    assert float(numbers(value)) == 12.0
    assert [float(gradient) for gradient in gradients[:2]] == [12.0, 4.0]
    assert gradients[2] is None


def test_what_follows_the_loss_is_passed_through() -> None:
    a = keras.Variable(2.0)
    (loss, name), gradients = value_and_gradients(lambda: (a * 3.0, "metrics"), [a])
    assert (float(numbers(loss)), name, float(numbers(gradients[0]))) == (6.0, "metrics", 3.0)


def test_a_layer_learns() -> None:
    layer = keras.layers.Dense(1)
    layer.build((None, 2))
    optimizer = keras.optimizers.SGD(0.05)

    def loss() -> Any:
        return ops.mean(ops.square(ops.subtract(layer(X), TARGET)))

    losses = []
    for _ in range(30):
        value, gradients = value_and_gradients(loss, layer.trainable_variables)
        optimizer.apply(gradients, layer.trainable_variables)
        losses.append(float(numbers(value)))
    assert losses[-1] < 0.05 * losses[0]


def test_the_gradient_over_an_input() -> None:
    np.testing.assert_allclose(numbers(input_gradient(lambda x: x**3, X)), 3 * X**2, rtol=1e-6)


def test_the_gradient_over_an_input_is_differentiable_again() -> None:
    def penalty(x: Any) -> Any:
        return ops.square(input_gradient(lambda x: x**3, x))

    np.testing.assert_allclose(numbers(input_gradient(penalty, X)), 36 * X**3, rtol=1e-5)


def test_a_penalty_on_an_input_gradient_reaches_the_variables() -> None:
    a = keras.Variable(2.0)
    value, (gradient,) = value_and_gradients(
        lambda: ops.sum(ops.square(input_gradient(lambda x: a * x * x, X))), [a]
    )  # sum of (2 a x)^2
    assert float(numbers(value)) == pytest.approx(16 * (X**2).sum())
    assert float(gradient) == pytest.approx(16 * (X**2).sum())


def test_an_input_that_depends_on_variables_passes_gradients_on() -> None:
    """Path length: the style that the gradient is taken over comes from the mapping network."""
    a = keras.Variable(2.0)
    _, (gradient,) = value_and_gradients(lambda: ops.sum(input_gradient(lambda x: x**3, a * X)), [a])
    assert float(gradient) == pytest.approx(6 * 2 * (X**2).sum())  # d/da of 3 (a x)^2
