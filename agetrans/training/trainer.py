"""What every trainer has: the trained generator, its average over the last steps, the count of steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from agetrans.models.generator import Generator
from agetrans.training.autodiff import apply_mean

FIRST_REPLICA = "only_first_replica"
"""How variables that every device computes alike are written under `tf.distribute`."""


class Trainer(keras.Model):
    """Base of the trainers: Keras models whose `train_step` improves a generator.

    Attributes:
        generator: The network that is trained.
        steps: How many steps have been taken, int32.
        average: The exponential moving average (EMA) of each trainable variable of the generator, float32.
        phases: Names of the parts of a step, each with its interval in steps.
    """

    generator: Generator
    phases: Mapping[str, int]

    def _track(self, decay: float) -> None:
        """Makes the average and the count of steps; subclasses call it when the generator is set."""
        self.decay = decay
        self.average = [
            self.add_weight(
                shape=v.shape, dtype="float32", trainable=False, name=f"average{i}", aggregation=FIRST_REPLICA
            )
            for i, v in enumerate(self.generator.trainable_variables)
        ]
        self.restart_average()
        self.steps = self.add_weight(
            shape=(),
            dtype="int32",
            initializer="zeros",
            trainable=False,
            name="steps",
            aggregation=FIRST_REPLICA,
        )

    def restart_average(self) -> None:
        """Sets the averaged generator to the generator as it is."""
        for average, variable in zip(self.average, self.generator.trainable_variables, strict=True):
            average.assign(variable)

    def averaged(self) -> list[np.ndarray]:
        """The averaged generator: its trainable variables, in their order."""
        return [ops.convert_to_numpy(average) for average in self.average]

    def improve_generator(self, gradients: Sequence[Any]) -> None:
        """One step of the generator's optimiser, and of the average."""
        variables = self.generator.trainable_variables
        apply_mean(self.optimizer, gradients, variables)
        for average, variable in zip(self.average, variables, strict=True):
            average.assign(self.decay * average + (1 - self.decay) * ops.cast(variable, "float32"))

    def due(self, phase: str) -> Any:
        """Whether a phase takes part in this step: a scalar, boolean."""
        return ops.equal(self.steps % self.phases[phase], 0)


def to_floats(picture: Any) -> Any:
    """uint8 to [-1, 1]."""
    return ops.cast(picture, "float32") / 127.5 - 1.0


def resized(picture: Any, size: int) -> Any:
    """A picture `(B, S, S, C)` at another size: averaged where that divides S, repeated where S divides it."""
    side = picture.shape[1]
    if side == size:
        return picture
    if side % size == 0:
        return ops.average_pool(picture, side // size, data_format="channels_last")
    if size % side == 0:
        return ops.repeat(ops.repeat(picture, size // side, axis=1), size // side, axis=2)
    return ops.image.resize(picture, (size, size), interpolation="bilinear", data_format="channels_last")
