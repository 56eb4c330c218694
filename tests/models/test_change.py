"""Sampling, warping and composing of photographs against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from agetrans.models.change import apply_change, bilinear_sample, warp_by_flow
from agetrans.training.autodiff import input_gradient
from tests.models import agetrans_reference as reference
from tests.models.agetrans_reference import numbers


def photographs(batch: int, height: int, width: int) -> np.ndarray:
    return np.random.RandomState(height).uniform(-1, 1, (batch, height, width, 3)).astype("f")


def random_change(batch: int, size: int) -> np.ndarray:
    stream = np.random.RandomState(size)
    parts = [
        stream.normal(0, 0.08, (batch, size, size, 2)),
        stream.normal(0, 0.3, (batch, size, size, 3)),
        stream.uniform(0, 1, (batch, size, size, 1)),
    ]
    return np.concatenate(parts, axis=-1).astype("f")


def test_sampling_is_bilinear_and_continues_the_edge() -> None:
    image = photographs(2, 9, 6)
    x, y = np.random.RandomState(1).uniform(-4, 12, (2, 2, 5, 7)).astype("f")
    x[0, 0, :3], y[0, 0, :3] = (0, 5, 2), (8, 0, 3)  # whole positions, the corners too
    np.testing.assert_allclose(
        numbers(bilinear_sample(image, x, y)), reference.sampled(image, x, y), atol=1e-5
    )


def test_one_picture_is_sampled_at_the_positions_of_many() -> None:
    image = photographs(1, 6, 6)
    x, y = np.random.RandomState(2).uniform(0, 5, (2, 3, 4, 4)).astype("f")
    expected = reference.sampled(np.repeat(image, 3, axis=0), x, y)
    np.testing.assert_allclose(numbers(bilinear_sample(image, x, y)), expected, atol=1e-5)


def test_the_result_shows_the_picture_at_p_plus_flow() -> None:
    image = photographs(2, 12, 20)
    flow = random_change(2, 20)[:, :12, :, :2]
    np.testing.assert_allclose(numbers(warp_by_flow(image, flow)), reference.warped(image, flow), atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (40, 40), (30, 50)])
def test_a_change_is_applied_at_the_photographs_own_size(height: int, width: int) -> None:
    photo, change = photographs(2, height, width), random_change(2, 16)
    np.testing.assert_allclose(
        numbers(apply_change(photo, change)), reference.composed(photo, change), atol=2e-5
    )


def test_where_the_mask_is_zero_the_photograph_stays_bit_for_bit() -> None:
    photo, change = photographs(1, 24, 24), random_change(1, 8)
    change[:, :, :4, 5] = 0
    result = np.asarray(ops.convert_to_numpy(apply_change(photo, change)))
    np.testing.assert_array_equal(result[:, :, :10], photo[:, :, :10])
    assert np.abs(result - photo)[:, :, 14:].min(axis=-1).mean() > 0.05


def test_gradients_reach_the_displacement() -> None:
    """On a ramp the derivative with respect to a displacement in fractions is the slope times the width."""
    ramp = np.tile(np.linspace(-1, 1, 11, dtype="f")[None, None, :, None], (1, 7, 1, 3))
    change = np.zeros((1, 7, 11, 6), "f")
    change[..., 0], change[..., 5] = 0.3 / 11, 0.5
    gradient = numbers(input_gradient(lambda x: apply_change(ramp, x), change))
    inner = gradient[0, 1:-1, 1:-1]
    np.testing.assert_allclose(inner[..., 0], 3 * 0.5 * 0.2 * 11, rtol=1e-4)
    np.testing.assert_allclose(inner[..., 1], 0, atol=1e-5)
    np.testing.assert_allclose(inner[..., 2:5], 0.5, atol=1e-5)
    np.testing.assert_allclose(inner[..., 5], 3 * 0.2 * 0.3, rtol=1e-3)
