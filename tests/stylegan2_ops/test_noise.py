"""Noise sources."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from stylegan2_ops import StoredNoise, given_noise, random_noise, seeded_noise, zero_noise
from tests.stylegan2_ops.layers import numbers

SIDES = (4, 8, 8)


def test_zero_noise_has_the_shapes_of_the_layers() -> None:
    maps = zero_noise(SIDES, batch_size=2)
    assert [noise.shape for noise in maps] == [(2, side, side, 1) for side in SIDES]
    assert not any(noise.any() for noise in maps)


def test_seeded_noise_is_numpys_frozen_stream() -> None:
    first, second, _ = seeded_noise(SIDES, seed=5)
    stream = np.random.RandomState(5)
    np.testing.assert_array_equal(first[0, ..., 0], stream.standard_normal((4, 4)).astype("f"))
    np.testing.assert_array_equal(second[0, ..., 0], stream.standard_normal((8, 8)).astype("f"))
    assert not np.array_equal(first, seeded_noise(SIDES, seed=6)[0])


def test_random_noise_is_standard_normal_and_new_every_time() -> None:
    seed = keras.random.SeedGenerator(3)
    first, second = random_noise((64, 64), 3, seed)
    assert tuple(first.shape) == (3, 64, 64, 1)
    assert numbers(first).mean() == pytest.approx(0, abs=0.05)
    assert numbers(first).std() == pytest.approx(1, abs=0.05)
    again = random_noise((64, 64), 3, seed)[0]
    assert not np.allclose(numbers(first), numbers(second))
    assert not np.allclose(numbers(first), numbers(again))


def test_given_noise_must_fit_the_layers() -> None:
    maps = seeded_noise(SIDES, seed=1)
    assert given_noise([maps[0], None, maps[2]], SIDES) == [maps[0], None, maps[2]]
    with pytest.raises(ValueError, match="2 maps"):
        given_noise(maps[:2], SIDES)
    with pytest.raises(ValueError, match="map 1 must be"):
        given_noise([maps[0], maps[0], maps[2]], SIDES)


def test_stored_noise_is_kept_with_the_weights_and_not_trained() -> None:
    layer = StoredNoise(SIDES, seed=7)
    for stored, expected in zip(layer.maps(), seeded_noise(SIDES, seed=7), strict=True):
        np.testing.assert_array_equal(numbers(stored), expected)
    assert len(layer.weights) == 3
    assert not layer.trainable_weights
    layer.weights[1].assign(np.ones((1, 8, 8, 1)))
    np.testing.assert_array_equal(numbers(layer.maps()[1]), 1)
