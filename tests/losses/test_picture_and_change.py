"""Losses on pictures, displacements and masks against NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from keras import ops

from agetrans.losses import displacement_error, gradient_error, mask_cross_entropy, weighted_error

PICTURE, TARGET = np.random.RandomState(0).uniform(-1, 1, (2, 2, 16, 12, 3)).astype("f")
WEIGHT = np.random.RandomState(1).uniform(0, 3, (2, 16, 12, 1)).astype("f")


def value(loss: Callable[..., Any], *arrays: np.ndarray, **options: int) -> float:
    """A loss of tensors, as training has them."""
    return float(loss(*(ops.convert_to_tensor(array) for array in arrays), **options))


def averaged(x: np.ndarray, side: int) -> np.ndarray:
    """Means over squares of `side` pixels."""
    batch, height, width, channels = x.shape
    return x.reshape(batch, height // side, side, width // side, side, channels).mean(axis=(2, 4))


def test_the_weighted_error() -> None:
    difference = np.abs(PICTURE - TARGET)
    expected = ((difference + 2 * difference**2) * WEIGHT).mean()
    assert value(weighted_error, PICTURE, TARGET, WEIGHT) == pytest.approx(expected, rel=1e-5)
    plain = value(weighted_error, PICTURE, TARGET, np.ones_like(WEIGHT))
    assert plain == pytest.approx((difference + 2 * difference**2).mean(), rel=1e-5)


@pytest.mark.parametrize("scales", [1, 3])
def test_the_gradient_error(scales: int) -> None:
    total = 0.0
    for scale in range(scales):
        difference = averaged(PICTURE - TARGET, 2**scale)
        weight = averaged(WEIGHT, 2**scale)
        total += (np.abs(np.diff(difference, axis=2)) * weight[:, :, 1:]).mean()
        total += (np.abs(np.diff(difference, axis=1)) * weight[:, 1:]).mean()
    assert value(gradient_error, PICTURE, TARGET, WEIGHT, scales=scales) == pytest.approx(
        total / scales, rel=1e-5
    )


def test_a_constant_offset_has_no_gradient_error() -> None:
    assert value(gradient_error, PICTURE, PICTURE + 0.5, WEIGHT) == pytest.approx(0, abs=1e-6)


def test_the_displacement_error_is_measured_on_the_targets_grid() -> None:
    stream = np.random.RandomState(2)
    flow, target = (stream.normal(0, 0.1, (2, side, side, 2)).astype("f") for side in (16, 4))
    weight = stream.uniform(0, 1, (2, 4, 4, 1)).astype("f")
    difference = np.abs(averaged(flow, 4) - target)
    expected = ((difference + 100 * difference**2) * weight).mean()
    assert value(displacement_error, flow, target, weight) == pytest.approx(expected, rel=1e-5)


def test_the_masks_cross_entropy_is_measured_on_the_targets_grid() -> None:
    stream = np.random.RandomState(3)
    mask, target = (stream.uniform(0, 1, (2, side, side, 1)).astype("f") for side in (16, 4))
    mask[0, :4, :4], mask[1, :4, :4] = 0, 1
    share = np.clip(averaged(mask, 4).astype(np.float64), 1e-3, 1 - 1e-3)
    expected = -(target * np.log(share) + (1 - target) * np.log(1 - share)).mean()
    assert value(mask_cross_entropy, mask, target) == pytest.approx(expected, rel=1e-4)
