"""A trainer of a few numbers, for what does not depend on the networks: the loop, the record, resuming."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from agetrans.training.autodiff import mean_gradients
from agetrans.training.trainer import Trainer


class ToyGenerator(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.layer = keras.layers.Dense(3)
        self.layer.build((None, 3))
        self.built = True

    def call(self, x: Any) -> Any:
        return self.layer(x)


class Toy(Trainer):
    """Learns to double numbers."""

    def __init__(self, rate: float = 0.05) -> None:
        super().__init__()
        keras.utils.set_random_seed(0)
        self.generator = ToyGenerator()
        self.phases = {"generator": 1}
        self._track(0.9)
        self.built = True
        super().compile(optimizer=keras.optimizers.Adam(rate), jit_compile=False, run_eagerly=True)
        self.optimizer.build(self.generator.trainable_variables)

    def train_step(self, data: Any) -> dict[str, Any]:
        batch = data if isinstance(data, dict) else data[0]

        def loss(_: int) -> Any:
            return ops.mean(ops.square(self.generator(batch["x"]) - 2.0 * batch["x"]))

        (value,), gradients = mean_gradients(loss, 1, self.generator.trainable_variables)
        self.improve_generator(gradients)
        self.steps.assign_add(1)
        return {"loss": ops.stop_gradient(value)}


def numbers_from(first: int, poison: int | None = None) -> Iterator[dict[str, np.ndarray]]:
    """Batch n depends on n alone; batch `poison` is not a number."""
    number = first
    while True:
        x = np.random.default_rng(number).normal(size=(4, 3)).astype(np.float32)
        yield {"x": x * np.float32("nan") if number == poison else x}
        number += 1
