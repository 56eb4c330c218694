"""The one place that differs between backends: gradients over variables and over an input, pieces, and replicas."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
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


def mean_gradients(
    function: Callable[[int], Any], pieces: int, variables: Sequence[keras.Variable]
) -> tuple[list[Any], list[Any]]:
    """Runs a function on the pieces of a batch, one after the other, and averages the gradients.

    Only one piece's activations are in memory at a time (gradient accumulation).

    Args:
        function: Takes a piece's number; returns what `value_and_gradients` takes.
        pieces: Number of pieces.
        variables: Trainable variables of Keras.

    Returns:
        What the function returned for each piece, and a gradient for each variable, zero where there is none.
    """
    results: list[Any] = []
    total: list[Any] = []
    for piece in range(pieces):
        with _after(total):
            result, gradients = value_and_gradients(partial(function, piece), variables)
        gradients = [
            keras.ops.zeros_like(variable) if gradient is None else gradient
            for gradient, variable in zip(gradients, variables, strict=True)
        ]
        total = [a + b for a, b in zip(total, gradients, strict=True)] if total else gradients
        results.append(result)
    return results, total if pieces == 1 else [gradient / pieces for gradient in total]


def replicas() -> int:
    """Devices that take the same step at the same time, each on its part of the batch."""
    return tf.distribute.get_strategy().num_replicas_in_sync if BACKEND == "tensorflow" else 1


def apply_mean(
    optimizer: keras.optimizers.Optimizer, gradients: Sequence[Any], variables: Sequence[keras.Variable]
) -> None:
    """One step of an optimiser with the mean of all replicas' gradients.

    Keras' optimisers add the replicas' gradients up, so each replica gives its share of the mean.
    """
    count = replicas()
    optimizer.apply(gradients if count == 1 else [gradient / count for gradient in gradients], variables)


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


def _after(tensors: Sequence[Any]) -> AbstractContextManager[Any]:
    """What is computed inside waits for these tensors; TensorFlow's graphs would otherwise run all pieces at once."""
    return tf.control_dependencies(tensors) if BACKEND == "tensorflow" else nullcontext()


def _first(result: Any) -> Any:
    return result[0] if isinstance(result, tuple) else result
