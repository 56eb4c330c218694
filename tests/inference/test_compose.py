"""Composing in NumPy, against the model's own composing and against slow, obvious interpolation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agetrans.inference.compose import AUTHORS_SPAN, compose, enlarge, to_uint8

GOLDEN = Path(__file__).parents[3] / "shared" / "golden" / "agetransgan" / "labels_and_range.npz"


def random_change(rng: np.random.Generator, size: int) -> np.ndarray:
    flow = rng.normal(0, 0.03, (size, size, 2))
    delta = rng.normal(0, 0.3, (size, size, 3))
    mask = rng.uniform(0, 1, (size, size, 1))
    return np.concatenate([flow, delta, mask], axis=-1).astype(np.float32)


def in_model(generator, crop: np.ndarray, change: np.ndarray) -> np.ndarray:
    from keras import ops

    image = ops.convert_to_tensor(crop[None].astype(np.float32) / 127.5 - 1)
    composed = ops.convert_to_numpy(generator.compose(image, ops.convert_to_tensor(change[None])))[0]
    return np.clip((composed + 1) * 127.5, 0, 255)


def test_equals_the_models_own_composing_at_core_size(tiny_generator):
    rng = np.random.default_rng(1)
    crop = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    change = random_change(rng, 64)
    # Half a grey level is the rounding to uint8.
    np.testing.assert_allclose(compose(crop, change), in_model(tiny_generator, crop, change), atol=0.51)


@pytest.mark.parametrize("size", [200, 256])
def test_equals_the_models_own_composing_at_the_photographs_size(tiny_generator, size):
    rng = np.random.default_rng(2)
    crop = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
    change = random_change(rng, 64)
    large = enlarge(change, size, size)
    large[..., 5] = np.clip(large[..., 5], 0, 1)
    np.testing.assert_allclose(compose(crop, change), in_model(tiny_generator, crop, large), atol=0.51)


def test_no_change_changes_nothing():
    rng = np.random.default_rng(3)
    crop = rng.integers(0, 256, (90, 90, 3), dtype=np.uint8)
    np.testing.assert_array_equal(compose(crop, np.zeros((32, 32, 6), np.float32)), crop)
    outside_mask = random_change(rng, 32)
    outside_mask[..., 5] = 0
    np.testing.assert_array_equal(compose(crop, outside_mask), crop)


def test_displacement_is_in_fractions_of_the_width_and_points_to_the_source():
    crop = np.random.default_rng(4).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    change = np.zeros((16, 16, 6), np.float32)
    change[..., 0], change[..., 1], change[..., 5] = 4 / 64, -2 / 64, 1
    result = compose(crop, change)
    np.testing.assert_array_equal(result[10:50, 10:50], crop[8:48, 14:54])


def test_colour_beyond_the_range_is_clipped():
    crop = np.full((8, 8, 3), 200, np.uint8)
    change = np.zeros((8, 8, 6), np.float32)
    change[..., 5] = 1
    change[:4, :, 2:5], change[4:, :, 2:5] = 1, -2
    result = compose(crop, change)
    assert (result[:4] == 255).all()
    assert (result[4:] == 0).all()


def test_a_painted_picture_replaces_the_crop():
    crop = np.zeros((64, 64, 3), np.uint8)
    painted = np.full((32, 32, 3), 0.5, np.float32)
    assert (compose(crop, painted) == round(1.5 * 127.5)).all()


def test_grey_levels_are_the_published_programs():
    if not GOLDEN.exists():
        pytest.skip("the golden arrays are not here")
    golden = np.load(GOLDEN)
    np.testing.assert_array_equal(to_uint8(golden["value"]), golden["uint8_new"])
    np.testing.assert_array_equal(to_uint8(golden["value"], AUTHORS_SPAN), golden["uint8_old"])


def test_every_grey_level_comes_back():
    levels = np.arange(256, dtype=np.uint8)
    for span in (2.0, AUTHORS_SPAN):
        np.testing.assert_array_equal(to_uint8(levels.astype(np.float32) / 127.5 - 1, span), levels)


def slowly_enlarged(values: np.ndarray, times: int) -> np.ndarray:
    """Keys' cubic convolution (a = -1/2), sample by sample along the first axis."""

    def kernel(x: float) -> float:
        x = abs(x)
        if x < 1:
            return 1.5 * x**3 - 2.5 * x**2 + 1
        return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0

    result = np.zeros((len(values) * times, *values.shape[1:]))
    for i in range(len(result)):
        place = (i + 0.5) / times - 0.5
        for j in range(int(np.floor(place)) - 1, int(np.floor(place)) + 3):
            result[i] += kernel(place - j) * values[np.clip(j, 0, len(values) - 1)]
    return result


@pytest.mark.parametrize("times", [2, 3, 4])
def test_enlarging_is_cubic_convolution(times):
    values = np.random.default_rng(5).normal(size=(9, 7, 6)).astype(np.float32)
    expected = slowly_enlarged(slowly_enlarged(values, times).swapaxes(0, 1), times).swapaxes(0, 1)
    np.testing.assert_allclose(enlarge(values, 9 * times, 7 * times), expected, atol=1e-5)


@pytest.mark.parametrize("size", [64, 128, 100])
def test_a_ramp_stays_straight_so_no_cell_shows(size):
    ramp = np.tile(np.arange(32, dtype=np.float32)[None, :, None], (32, 1, 1))
    large = enlarge(np.concatenate([ramp] * 6, axis=-1), size, size)
    steps = np.diff(large[size // 2, size // 8 : -size // 8, 0])
    np.testing.assert_allclose(steps, 32 / size, atol=1e-3)


def test_shrinking_averages():
    values = np.random.default_rng(6).normal(size=(8, 8, 6)).astype(np.float32)
    expected = values.reshape(4, 2, 4, 2, 6).mean(axis=(1, 3))
    np.testing.assert_allclose(enlarge(values, 4, 4), expected, atol=1e-6)
