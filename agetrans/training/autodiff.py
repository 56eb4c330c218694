"""The one place that differs between backends: gradients over variables and over an input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

BACKEND = keras.backend.backend()

if BACKEND == "tensorflow":
    import tensorflow as tf
elif BACKEND == "torch":
    import torch
else:
    raise ImportError(f"Training needs the tensorflow or the torch backend of Keras. Received: {BACKEND!r}")


def value_and_gradients(
    function: Callable[[], Any], variables: Sequence[keras.Variable]
) -> tuple[Any, list[Any]]:
    """Runs a function and differentiates its scalar result.

    Args:
        function: Takes nothing; returns a scalar tensor, or a tuple that starts with that scalar.
        variables: Trainable variables of Keras.

    Returns:
        What the function returned, and a gradient for each variable: a tensor of its shape, or None where the
        scalar does not depend on it.
    """
    values = [variable.value for variable in variables]
    if BACKEND == "tensorflow":
        with tf.GradientTape() as tape:
            result = function()
        return result, tape.gradient(_first(result), values)
    with torch.enable_grad():
        result = function()
        return result, list(torch.autograd.grad(_first(result), values, allow_unused=True))


def input_gradient(function: Callable[[Any], Any], x: Any) -> Any:
    """The gradient of the sum of a function's result with respect to its input, itself differentiable.

    Args:
        function: Takes a tensor of the shape of x; returns a tensor of any shape.
        x: Floating-point tensor.

    Returns:
        Tensor of the shape of x: a gradient for each sample where the function treats samples apart.
    """
    x = keras.ops.convert_to_tensor(x)
    if BACKEND == "tensorflow":
        with tf.GradientTape() as tape:
            tape.watch(x)
            result = function(x)
        return tape.gradient(result, x)
    with torch.enable_grad():
        if not x.requires_grad:
            x = x.detach().requires_grad_()
        return torch.autograd.grad(function(x).sum(), x, create_graph=True)[0]


def _first(result: Any) -> Any:
    return result[0] if isinstance(result, tuple) else result
