"""Losses on pictures, displacements and masks against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from agetrans.losses import displacement_error, gradient_error, mask_cross_entropy, weighted_error

STREAM = np.random.RandomState(0)
PICTURE, TARGET = STREAM.uniform(-1, 1, (2, 2, 16, 12, 3)).astype("f")
WEIGHT = STREAM.uniform(0, 3, (2, 16, 12, 1)).astype("f")


def averaged(x: np.ndarray, side: int) -> np.ndarray:
    """Means over squares of `side` pixels."""
    batch, height, width, channels = x.shape
    return x.reshape(batch, height // side, side, width // side, side, channels).mean(axis=(2, 4))


def test_the_weighted_error() -> None:
    difference = np.abs(PICTURE - TARGET)
    expected = ((difference + 2 * difference**2) * WEIGHT).mean()
    assert float(weighted_error(PICTURE, TARGET, WEIGHT)) == pytest.approx(expected, rel=1e-5)
    plain = float(weighted_error(PICTURE, TARGET, np.ones_like(WEIGHT)))
    assert plain == pytest.approx((difference + 2 * difference**2).mean(), rel=1e-5)


@pytest.mark.parametrize("scales", [1, 3])
def test_the_gradient_error(scales: int) -> None:
    total = 0.0
    for scale in range(scales):
        difference = averaged(PICTURE - TARGET, 2**scale)
        weight = averaged(WEIGHT, 2**scale)
        total += (np.abs(np.diff(difference, axis=2)) * weight[:, :, 1:]).mean()
        total += (np.abs(np.diff(difference, axis=1)) * weight[:, 1:]).mean()
    assert float(gradient_error(PICTURE, TARGET, WEIGHT, scales)) == pytest.approx(total / scales, rel=1e-5)


def test_a_constant_offset_has_no_gradient_error() -> None:
    assert float(gradient_error(PICTURE, PICTURE + 0.5, WEIGHT)) == pytest.approx(0, abs=1e-6)


def test_the_displacement_error_is_measured_on_the_targets_grid() -> None:
    flow = STREAM.normal(0, 0.1, (2, 16, 16, 2)).astype("f")
    target, weight = (
        STREAM.normal(0, 0.1, (2, 4, 4, 2)).astype("f"),
        STREAM.uniform(0, 1, (2, 4, 4, 1)).astype("f"),
    )
    difference = np.abs(averaged(flow, 4) - target)
    expected = ((difference + 100 * difference**2) * weight).mean()
    assert float(displacement_error(flow, target, weight)) == pytest.approx(expected, rel=1e-5)


def test_the_masks_cross_entropy_is_measured_on_the_targets_grid() -> None:
    mask, target = (
        STREAM.uniform(0, 1, (2, 16, 16, 1)).astype("f"),
        STREAM.uniform(0, 1, (2, 4, 4, 1)).astype("f"),
    )
    mask[0, :4, :4], mask[1, :4, :4] = 0, 1
    share = np.clip(averaged(mask, 4).astype(np.float64), 1e-3, 1 - 1e-3)
    expected = -(target * np.log(share) + (1 - target) * np.log(1 - share)).mean()
    assert float(mask_cross_entropy(mask, target)) == pytest.approx(expected, rel=1e-4)
