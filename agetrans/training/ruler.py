"""Ages read by our own estimator, corrected for its pull towards the middle of life."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from keras import ops
from safetensors import SafetensorError
from safetensors.numpy import load_file

from agetrans.backend import on_arrays
from agetrans.cli.console import CommandError
from agetrans.files import save_tensors
from agetrans.groups import AgeGroups
from agetrans.models.age_estimator import AgeEstimator, expected_age
from agetrans.variables import named_variables


def load_estimator(path: str | Path, dtype: str | None = None) -> AgeEstimator:
    """The age estimator with the weights that `age_estimator/train.py` wrote.

    Args:
        path: Its `.safetensors`.
        dtype: Keras policy that it runs with.

    Raises:
        CommandError: The file cannot be read, or holds another network's weights.
    """
    try:
        weights = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CommandError(f"{path} cannot be read as weights: {error}") from None
    estimator = AgeEstimator(dtype=dtype)
    variables = named_variables(estimator)
    fits = {name: tuple(variable.shape) for name, variable in variables.items()}
    if {name: value.shape for name, value in weights.items()} != fits:
        raise CommandError(f"{path} holds the weights of another network than this age estimator.")
    for name, variable in variables.items():
        variable.assign(weights[name].astype(np.float32))
    return estimator


def save_estimator(estimator: AgeEstimator, path: str | Path) -> None:
    """Writes the age estimator's weights in half precision, whole or not at all."""
    weights = {
        name: ops.convert_to_numpy(variable.value).astype(np.float16)
        for name, variable in named_variables(estimator).items()
    }
    save_tensors(Path(path), weights)


def reader(estimator: AgeEstimator) -> Callable[[np.ndarray], np.ndarray]:
    """A function from framed pictures `(N, 256, 256, 3)` uint8 to the ages in years `(N,)` that an estimator reads."""
    run = on_arrays(estimator.call)

    def read(pictures: np.ndarray) -> np.ndarray:
        parts = [pictures[i : i + 64].astype(np.float32) / 127.5 - 1.0 for i in range(0, len(pictures), 64)]
        return np.concatenate([ops.convert_to_numpy(expected_age(run(part)["logits"])) for part in parts])

    return read


class Ruler:
    """Turns what an estimator reads into years, by what it reads of real people of each group.

    An estimator trained on few photographs reads the old too young and the young too old. The mean reading of each
    group of real people stands for that group's mean age; between the groups it is linear.

    Args:
        read: Pictures `(N, 256, 256, 3)` uint8 to readings `(N,)`.
        photos: `(N, 256, 256, 3)` uint8 of real people.
        years: Their ages `(N,)`.
        age_groups: Groups to average over.

    Raises:
        ValueError: If a group has no photograph, or the mean readings do not rise with age.
    """

    def __init__(
        self,
        read: Callable[[np.ndarray], np.ndarray],
        photos: np.ndarray,
        years: np.ndarray,
        age_groups: AgeGroups,
    ) -> None:
        self.read = read
        members = np.array([age_groups.index(age) for age in years])
        empty = [name for k, name in enumerate(age_groups.names) if not np.any(members == k)]
        if empty:
            raise ValueError(
                f"Photographs of every age group are needed. There are none of {', '.join(empty)}."
            )
        readings = read(photos)
        self.readings = np.array([readings[members == k].mean() for k in range(age_groups.count)])
        self.years = np.array([years[members == k].mean() for k in range(age_groups.count)])
        if np.any(np.diff(self.readings) <= 0):
            raise ValueError(
                f"The estimator's mean readings do not rise with age: {self.readings.round(1).tolist()}"
            )

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """Ages in years `(N,)` of pictures `(N, 256, 256, 3)` uint8."""
        return _line(self.read(pictures), self.readings, self.years)


def _line(x: np.ndarray, places: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Piecewise linear through places and values, continued at most 3 years below and 10 above them, never negative."""
    slopes = np.diff(values) / np.diff(places)
    below = np.clip(slopes[0] * (x - places[0]), -3.0, 0.0) * (x < places[0])
    above = np.clip(slopes[-1] * (x - places[-1]), 0.0, 10.0) * (x > places[-1])
    return np.maximum(0.0, np.interp(x, places, values) + below + above)
