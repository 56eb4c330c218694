"""Sources of noise maps for a generator: zero, given, seeded, random and stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops


def zero_noise(sides: Sequence[int], batch_size: int = 1) -> list[np.ndarray]:
    """Maps of zeros.

    Args:
        sides: Side of each square map, in layer order.
        batch_size: Samples; 1 serves any batch.

    Returns:
        float32 arrays `(batch_size, side, side, 1)`.
    """
    return [np.zeros((batch_size, side, side, 1), np.float32) for side in sides]


def seeded_noise(sides: Sequence[int], seed: int, batch_size: int = 1) -> list[np.ndarray]:
    """Standard-normal maps that depend on the seed alone, not on the backend or the machine.

    Args:
        sides: Side of each square map, in layer order.
        seed: Whole number from 0 to 2**32 - 1.
        batch_size: Samples; 1 serves any batch.

    Returns:
        float32 arrays `(batch_size, side, side, 1)`.
    """
    # NumPy promises never to change the stream of RandomState; default_rng has no such promise.
    stream = np.random.RandomState(seed)
    return [stream.standard_normal((batch_size, side, side, 1)).astype(np.float32) for side in sides]


def random_noise(sides: Sequence[int], batch_size: Any, seed: keras.random.SeedGenerator) -> list[Any]:
    """Standard-normal maps that are new at every call, for training.

    Args:
        sides: Side of each square map, in layer order.
        batch_size: Samples; may be a tensor while a graph is built.
        seed: Advances with every map.

    Returns:
        float32 tensors `(batch_size, side, side, 1)`.
    """
    return [keras.random.normal((batch_size, side, side, 1), dtype="float32", seed=seed) for side in sides]


def given_noise(maps: Sequence[Any], sides: Sequence[int]) -> list[Any]:
    """Checks that maps fit the layers.

    Args:
        maps: One `(1 or B, side, side, 1)` a layer, or None for a layer without noise.
        sides: Side that each layer wants.

    Returns:
        The maps as a list.

    Raises:
        ValueError: If the number of maps or a map's shape does not fit.
    """
    if len(maps) != len(sides):
        raise ValueError(f"Noise maps of sides {list(sides)} are needed. Received: {len(maps)} maps.")
    for index, (noise, side) in enumerate(zip(maps, sides, strict=True)):
        if noise is not None and tuple(noise.shape[1:]) != (side, side, 1):
            shape = tuple(noise.shape)
            raise ValueError(f"Noise map {index} must be (batch, {side}, {side}, 1). Received: {shape}.")
    return list(maps)


class StoredNoise(keras.layers.Layer):
    """Noise maps that are kept with a model's weights and not trained. It is not called: see `maps`.

    Args:
        sides: Side of each square map, in layer order.
        seed: Seed of the first values.
    """

    def __init__(self, sides: Sequence[int], seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for index, noise in enumerate(seeded_noise(sides, seed)):
            self.add_weight(
                name=f"map_{index}",
                shape=noise.shape,
                initializer=_Values(noise),
                trainable=False,
                autocast=False,
            )
        self.built = True

    def maps(self) -> list[Any]:
        """The stored maps in layer order: float32 tensors `(1, side, side, 1)`."""
        return [ops.convert_to_tensor(noise) for noise in self.weights]


class _Values(keras.initializers.Initializer):
    """Starts a variable with given numbers."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return ops.convert_to_tensor(self.values, dtype)
