"""Sources of noise maps for a generator: zero, given, seeded, random and stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops


def zero_noise(sides: Sequence[int], batch_size: int = 1) -> list[np.ndarray]:
    """Maps of zeros, one a styled convolution.

    Args:
        sides: Side of each square map, in layer order.
        batch_size: 1 serves any batch.

    Returns:
        float32 arrays `(batch_size, side, side, 1)`.
    """
    return [np.zeros((batch_size, side, side, 1), np.float32) for side in sides]


def seeded_noise(sides: Sequence[int], seed: int, batch_size: int = 1) -> list[np.ndarray]:
    """Standard-normal maps that depend on the seed alone, not on the backend or the machine.

    Args:
        sides: Side of each square map, in layer order.
        seed: Any whole number from 0.
        batch_size: 1 serves any batch.

    Returns:
        float32 arrays `(batch_size, side, side, 1)`.
    """
    # The stream of RandomState is frozen by NumPy's compatibility policy; that of default_rng is not.
    stream = np.random.RandomState(seed)
    return [stream.standard_normal((batch_size, side, side, 1)).astype(np.float32) for side in sides]


def random_noise(sides: Sequence[int], batch_size: Any, seed: keras.random.SeedGenerator) -> list[Any]:
    """Fresh standard-normal maps at every call, for training.

    Args:
        sides: Side of each square map, in layer order.
        batch_size: Samples; may be a tensor in a graph.
        seed: Advances with every map.

    Returns:
        float32 tensors `(batch_size, side, side, 1)`.
    """
    return [keras.random.normal((batch_size, side, side, 1), dtype="float32", seed=seed) for side in sides]


def given_noise(maps: Sequence[Any], sides: Sequence[int]) -> list[Any]:
    """Checks that maps fit the layers.

    Args:
        maps: `(1 or B, side, side, 1)` each, or None for a layer without noise.
        sides: Side that each layer wants.

    Returns:
        The maps as a list.

    Raises:
        ValueError: If the number of maps or a map's shape does not fit.
    """
    if len(maps) != len(sides):
        raise ValueError(
            f"{len(sides)} noise maps are needed, with sides {list(sides)}. Received: {len(maps)} maps."
        )
    for index, (noise, side) in enumerate(zip(maps, sides, strict=True)):
        if noise is not None and tuple(noise.shape[1:]) != (side, side, 1):
            shape = tuple(noise.shape)
            raise ValueError(
                f"Noise map {index} must have shape (batch, {side}, {side}, 1). Received: {shape}."
            )
    return list(maps)


class StoredNoise(keras.layers.Layer):
    """Noise maps that are kept with a model's weights and not trained; no call, see `maps`.

    Args:
        sides: Side of each square map, in layer order.
        seed: Seed of the first values.
    """

    def __init__(self, sides: Sequence[int], seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sides = tuple(sides)
        self.seed = seed

    def build(self, input_shape: Any = None) -> None:
        for index, noise in enumerate(seeded_noise(self.sides, self.seed)):
            self.add_weight(
                name=f"map_{index}",
                shape=noise.shape,
                initializer=_Values(noise),
                trainable=False,
                autocast=False,
            )

    def maps(self) -> list[Any]:
        """The stored maps in layer order: float32 tensors `(1, side, side, 1)`."""
        return [ops.convert_to_tensor(noise) for noise in self.weights]


class _Values(keras.initializers.Initializer):
    """Starts a variable with given numbers."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return ops.convert_to_tensor(self.values, dtype)
