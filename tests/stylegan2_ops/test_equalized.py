"""Equalised layers against NumPy and SciPy."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from stylegan2_ops import EqualizedConv2D, EqualizedDense, scaled_leaky_relu
from tests.stylegan2_ops import reference
from tests.stylegan2_ops.layers import normal, numbers, randomized


def test_the_scaled_leaky_relu_keeps_the_mean_square() -> None:
    x = normal(3, 50, 70)
    y = numbers(scaled_leaky_relu(x))
    np.testing.assert_allclose(y, np.sqrt(2) * reference.leaky_relu(x.astype(np.float64)), atol=1e-6)
    assert (y**2).mean() == pytest.approx(1.04, abs=0.05)


@pytest.mark.parametrize("activation", [None, "scaled_leaky_relu"])
@pytest.mark.parametrize("multiplier", [1.0, 0.01])
def test_dense(activation: str | None, multiplier: float) -> None:
    layer = EqualizedDense(7, learning_rate_multiplier=multiplier, activation=activation)
    layer.build((None, 5))
    weights = randomized(layer)
    x = normal(3, 5)
    expected = reference.dense(x, weights["kernel"], weights["bias"], multiplier)
    if activation:
        expected = np.sqrt(2) * reference.leaky_relu(expected)
    np.testing.assert_allclose(numbers(layer(x)), expected, atol=1e-6)


@pytest.mark.parametrize("multiplier", [1.0, 0.01])
def test_a_fresh_dense_layer_keeps_the_variance_and_has_the_given_bias(multiplier: float) -> None:
    keras.utils.set_random_seed(0)
    y = numbers(EqualizedDense(400, learning_rate_multiplier=multiplier, bias_init=3.0)(normal(50, 300)))
    assert y.mean() == pytest.approx(3.0, abs=0.05)
    assert y.std() == pytest.approx(1.0, abs=0.05) if multiplier == 1.0 else y.std() > 0


@pytest.mark.parametrize("resampling", [None, "down"])
@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize(("batch", "height", "width"), [(1, 7, 5), (3, 6, 8)])
@pytest.mark.parametrize("activation", [None, "scaled_leaky_relu"])
def test_convolution(
    resampling: str | None, kernel_size: int, batch: int, height: int, width: int, activation: str | None
) -> None:
    layer = EqualizedConv2D(4, kernel_size, resampling, activation, use_bias=activation is not None, gain=0.5)
    x = normal(batch, height, width, 3)
    layer.build(x.shape)
    weights = randomized(layer)
    kernel = weights["kernel"] / np.sqrt(3 * kernel_size**2)
    expected = reference.resampled_conv(x, kernel, resampling)
    if activation:
        expected = np.sqrt(2) * reference.leaky_relu(expected + weights["bias"])
    np.testing.assert_allclose(numbers(layer(x)), 0.5 * expected, atol=1e-5)


def test_a_fresh_convolution_keeps_the_variance() -> None:
    keras.utils.set_random_seed(0)
    y = numbers(EqualizedConv2D(30, 3)(normal(2, 20, 20, 40)))[:, 1:-1, 1:-1]
    assert y.std() == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kernel_size": 2}, "kernel_size"),
        ({"kernel_size": 3, "resample": "up"}, "resample"),
        ({"kernel_size": 3, "activation": "relu"}, "activation"),
    ],
)
def test_what_a_convolution_cannot_do_is_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EqualizedConv2D(4, **arguments)
