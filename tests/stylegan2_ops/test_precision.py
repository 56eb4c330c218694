"""Number formats: mixed bfloat16, float64; and graphs with an unknown batch size."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from stylegan2_ops import (
    EqualizedConv2D,
    ModulatedConv2D,
    StyledConv2D,
    ToImage,
    blur_2d,
    haar_down,
    minibatch_stddev,
    random_noise,
    upsample_2d,
)
from tests.stylegan2_ops.layers import normal, numbers, randomized

MIXED = "mixed_bfloat16"


def same_weights(layer: keras.layers.Layer, other: keras.layers.Layer, *shapes: tuple[int, ...]) -> None:
    for each in (layer, other):
        each.build(*shapes)
        randomized(each)


def dtype(x: Any) -> str:
    return keras.backend.standardize_dtype(x.dtype)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("resample", [None, "up", "down"])
@pytest.mark.parametrize("separable", [False, True])
def test_styled_convolution_in_bfloat16(batch: int, resample: str | None, separable: bool) -> None:
    arguments: dict[str, Any] = {"resample": resample, "separable": separable}
    mixed, exact = StyledConv2D(24, dtype=MIXED, **arguments), StyledConv2D(24, dtype="float64", **arguments)
    x, w = normal(batch, 12, 14, 40), normal(batch, 16, seed=2)
    same_weights(mixed, exact, x.shape, w.shape)
    y, expected = mixed(x, w), numbers(exact(x, w))
    assert dtype(y) == "bfloat16"
    assert {dtype(variable) for variable in mixed.weights} == {"float32"}
    error = numbers(y) - expected
    assert error.std() < 0.006 * expected.std()
    # A channel's scale is the demodulation's, rounded once.
    scale = (numbers(y) * expected).sum((1, 2)) / (expected**2).sum((1, 2))
    np.testing.assert_allclose(scale, 1, atol=2**-7)


def test_filters_in_bfloat16_round_only_once() -> None:
    x = numbers(ops.cast(normal(2, 12, 12, 20), "bfloat16"))
    for function in (lambda x: blur_2d(x, (2, 1)), upsample_2d, haar_down):
        expected = numbers(function(ops.cast(x, "float64")))
        y = function(ops.cast(x, "bfloat16"))
        assert dtype(y) == "bfloat16"
        assert np.all(np.abs(numbers(y) - expected) <= np.abs(expected) * 2**-8 + 1e-3)


def test_the_image_is_summed_in_float32() -> None:
    layer = ToImage(3, dtype=MIXED)
    x, w = normal(2, 8, 8, 5), normal(2, 6, seed=2)
    skip = 1 + 1e-4 * normal(2, 4, 4, 3, seed=3)  # bfloat16 would make this 1.
    layer.build(x.shape, w.shape)
    y = layer(x, w, skip)
    assert dtype(y) == "float32"
    added = numbers(y) - numbers(layer(x, w))
    np.testing.assert_allclose(added, numbers(upsample_2d(ops.convert_to_tensor(skip))), atol=2e-6)


def test_minibatch_deviation_in_bfloat16_is_that_of_float32() -> None:
    x = numbers(ops.cast(100 + normal(4, 3, 3, 8), "bfloat16"))  # A variance in bfloat16 would be lost.
    y = minibatch_stddev(ops.cast(x, "bfloat16"))
    assert dtype(y) == "bfloat16"
    expected = np.sqrt(x.var(axis=0) + 1e-8).mean()
    np.testing.assert_allclose(numbers(y)[..., 8], expected, rtol=0.004)


def test_float64_is_respected() -> None:
    assert dtype(EqualizedConv2D(2, 3, dtype="float64")(normal(1, 4, 4, 2))) == "float64"
    assert dtype(ToImage(2, dtype="float64")(normal(1, 4, 4, 2), normal(1, 3))) == "float64"


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="graphs are TensorFlow's")
def test_graphs_take_any_batch_size() -> None:
    import tensorflow as tf

    up, image, pointwise = StyledConv2D(20, resample="up"), ToImage(3), ModulatedConv2D(3, 1, "up")
    shapes = (None, 4, 5, 3), (None, 6)
    for layer, x_shape in ((up, shapes[0]), (image, (None, 8, 10, 20)), (pointwise, shapes[0])):
        layer.build(x_shape, shapes[1])
        randomized(layer)
    seed = keras.random.SeedGenerator(1)

    def network(x: Any, w: Any) -> Any:
        strength = 0 * random_noise((8,), tf.shape(x)[0], seed)[0][:, :, :1]
        picture = image(up(x, w), w, pointwise(x, w)[:, ::2, ::2]) + strength
        return haar_down(minibatch_stddev(upsample_2d(picture)))

    graph = tf.function(network, input_signature=[tf.TensorSpec(shape) for shape in shapes])
    for batch in (1, 3, 4):
        x, w = tf.constant(normal(batch, 4, 5, 3)), tf.constant(normal(batch, 6, seed=2))
        np.testing.assert_allclose(numbers(graph(x, w)), numbers(network(x, w)), atol=1e-4)
