"""The one place that differs between backends: gradients over variables, and gradients over an input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    def value_and_gradients(
        function: Callable[[], Any], variables: Sequence[keras.Variable]
    ) -> tuple[Any, list[Any]]:
        """Runs a function and differentiates its scalar result.

        Args:
            function: Takes nothing; returns a scalar tensor, or a tuple whose first item is that scalar and whose
                other items are passed through.
            variables: Keras variables, trainable.

        Returns:
            What the function returned, and one gradient a variable: a tensor of its shape, or None where the scalar
            does not depend on it.
        """
        with tf.GradientTape() as tape:
            value = function()
        loss = value[0] if isinstance(value, tuple) else value
        return value, tape.gradient(loss, [variable.value for variable in variables])

    def input_gradient(function: Callable[[Any], Any], x: Any) -> Any:
        """Gradient of the sum of a function's result with respect to its input, itself differentiable.

        Args:
            function: Takes a tensor of the shape of x; returns a tensor of any shape.
            x: Floating-point tensor.

        Returns:
            Tensor of the shape of x. Sums over samples do not mix where the function treats samples apart.
        """
        x = tf.convert_to_tensor(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = function(x)
        return tape.gradient(value, x)

elif keras.backend.backend() == "torch":
    import torch

    def value_and_gradients(
        function: Callable[[], Any], variables: Sequence[keras.Variable]
    ) -> tuple[Any, list[Any]]:
        """See the TensorFlow branch."""
        with torch.enable_grad():
            value = function()
            loss = value[0] if isinstance(value, tuple) else value
            gradients = torch.autograd.grad(
                loss, [variable.value for variable in variables], allow_unused=True
            )
        return value, list(gradients)

    def input_gradient(function: Callable[[Any], Any], x: Any) -> Any:
        """See the TensorFlow branch."""
        with torch.enable_grad():
            x = keras.ops.convert_to_tensor(x)
            if not x.requires_grad:
                x = x.detach().requires_grad_()
            return torch.autograd.grad(function(x).sum(), x, create_graph=True)[0]

else:
    raise ImportError(
        f"Training needs the tensorflow or torch backend of Keras, not {keras.backend.backend()!r}."
    )
