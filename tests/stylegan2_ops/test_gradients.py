"""Gradients, and gradients of gradients (R1, path length), against float64 finite differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from agetrans.training.autodiff import input_gradient, value_and_gradients
from stylegan2_ops import (
    EqualizedConv2D,
    EqualizedDense,
    ModulatedConv2D,
    StyledConv2D,
    ToImage,
    blur_2d,
    downsample_2d,
    haar_down,
    haar_up,
    minibatch_stddev,
    upsample_2d,
)
from tests.stylegan2_ops.layers import numbers, randomized

STEP = 1e-5

FUNCTIONS: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
    "blur": (lambda x: blur_2d(x, (2, 1)), (2, 5, 6, 2)),
    "upsample few channels": (upsample_2d, (2, 3, 4, 2)),
    "upsample many channels": (upsample_2d, (1, 3, 2, 17)),
    "downsample": (downsample_2d, (2, 5, 6, 2)),
    "Haar up": (haar_up, (2, 2, 3, 8)),
    "Haar down": (haar_down, (2, 4, 6, 2)),
    "minibatch, one group and more": (minibatch_stddev, (7, 2, 2, 3)),
    "minibatch of one": (minibatch_stddev, (1, 2, 2, 3)),
}

LAYERS: dict[str, tuple[Callable[[], keras.layers.Layer], list[tuple[int, ...]]]] = {
    "dense": (lambda: EqualizedDense(3, 0.01, activation="scaled_leaky_relu", dtype="float64"), [(3, 4)]),
    "conv down": (
        lambda: EqualizedConv2D(3, 3, "down", "scaled_leaky_relu", dtype="float64"),
        [(2, 6, 5, 2)],
    ),
    **{
        f"modulated {resample}, {'separable' if separable else 'full'}, batch {batch}": (
            lambda resample=resample, separable=separable: ModulatedConv2D(
                3, 3, resample, separable=separable, dtype="float64"
            ),
            [(batch, 4, 5, 2), (batch, 4)],
        )
        for resample in (None, "up", "down")
        for separable in (False, True)
        for batch in (1, 3)
    },
    "styled up": (
        lambda: StyledConv2D(3, resample="up", dtype="float64"),
        [(3, 3, 2, 2), (3, 4), (3, 6, 4, 1)],
    ),
    "to image": (lambda: ToImage(3, dtype="float64"), [(3, 4, 6, 2), (3, 4), (3, 2, 3, 3)]),
}


def draw(*shape: int, seed: int) -> np.ndarray:
    return np.random.RandomState(seed).standard_normal(shape)


def tensor(x: np.ndarray) -> Any:
    return ops.convert_to_tensor(x, "float64")


def slope(function: Callable[[Any], Any], at: np.ndarray, direction: np.ndarray) -> float:
    """Central difference of the sum of a function's result along a direction."""
    ahead, behind = (function(tensor(at + step * direction)) for step in (STEP, -STEP))
    return (numbers(ahead).sum() - numbers(behind).sum()) / (2 * STEP)


def check(gradient: Any, function: Callable[[Any], Any], at: np.ndarray) -> None:
    direction = draw(*at.shape, seed=9)
    expected = slope(function, at, direction)
    assert (numbers(gradient) * direction).sum() == pytest.approx(expected, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str) -> None:
    function, shape = FUNCTIONS[name]
    x = draw(*shape, seed=1)
    weights = tensor(draw(*function(tensor(x)).shape, seed=2))

    def loss(x: Any) -> Any:
        return weights * ops.square(function(x))

    def penalty(x: Any) -> Any:
        return ops.square(input_gradient(loss, x))

    check(input_gradient(loss, tensor(x)), loss, x)
    check(input_gradient(penalty, tensor(x)), penalty, x)


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str) -> None:
    make, shapes = LAYERS[name]
    layer = make()
    inputs = [tensor(draw(*shape, seed=seed)) for seed, shape in enumerate(shapes)]
    layer.build(*shapes)
    randomized(layer)
    weights = tensor(draw(*layer(*inputs).shape, seed=8))

    for position, at in enumerate(inputs):

        def loss(x: Any, position: int = position) -> Any:
            arguments = [*inputs[:position], x, *inputs[position + 1 :]]
            return weights * ops.square(layer(*arguments))

        def penalty(x: Any, loss: Callable[[Any], Any] = loss) -> Any:
            return ops.square(input_gradient(loss, x))

        check(input_gradient(loss, at), loss, numbers(at))
        check(input_gradient(penalty, at), penalty, numbers(at))
        check_variables(layer, lambda penalty=penalty, at=at: ops.sum(penalty(at)))


def check_variables(layer: keras.layers.Layer, penalty: Callable[[], Any]) -> None:
    """What R1 (an input's gradient) and path length (a style's) send to the weights."""
    _, gradients = value_and_gradients(penalty, layer.trainable_variables)
    for variable, gradient in zip(layer.trainable_variables, gradients, strict=True):
        before = numbers(variable)

        def penalty_at(values: Any, variable: keras.Variable = variable) -> Any:
            variable.assign(values)
            return penalty()

        check(np.zeros(variable.shape) if gradient is None else gradient, penalty_at, before)
        variable.assign(before)
