"""Putting the averaged generator in place of the trained one for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from keras import ops

from agetrans.models.generator import Generator
from agetrans.training.trainer import Trainer


@contextmanager
def averaged_generator(trainer: Trainer) -> Iterator[Generator]:
    """The generator with the averaged variables; afterwards it has its own again."""
    variables = trainer.generator.trainable_variables
    trained = [ops.convert_to_numpy(variable).copy() for variable in variables]
    try:
        for variable, average in zip(variables, trainer.averaged(), strict=True):
            variable.assign(average)
        yield trainer.generator
    finally:
        for variable, value in zip(variables, trained, strict=True):
            variable.assign(value)
