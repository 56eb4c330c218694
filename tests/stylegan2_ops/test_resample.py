"""FIR and Haar resampling against SciPy, and what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from stylegan2_ops import blur_2d, downsample_2d, fir_filter, haar_down, haar_up, upsample_2d
from tests.stylegan2_ops import reference

TAPS = [(1, 3, 3, 1), (1, 2, 1), (1, 1), (1, 4, 7, 10, 3, 2)]
"""StyleGAN2's, an odd number, the shortest, and an asymmetric one."""


def picture(batch: int, height: int, width: int, channels: int) -> np.ndarray:
    return np.random.RandomState(batch + height).standard_normal((batch, height, width, channels)).astype("f")


def numbers(x: object) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(x), np.float64)


def plane(taps: tuple[int, ...]) -> np.ndarray:
    return np.outer(taps, taps) / np.sum(taps) ** 2


def test_the_filter_sums_to_its_gain() -> None:
    np.testing.assert_allclose(fir_filter((1, 3, 3, 1)), reference.BINOMIAL, rtol=1e-7)
    assert fir_filter((1, 2, 5), gain=4.0).sum() == pytest.approx(4.0)


@pytest.mark.parametrize("taps", [(), (1, -1), ((1, 2), (2, 1))])
def test_a_filter_without_a_sum_is_refused(taps: tuple) -> None:
    with pytest.raises(ValueError, match="taps"):
        fir_filter(taps)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("taps", TAPS)
@pytest.mark.parametrize("stride", [1, 2])
def test_blur_is_a_padded_correlation(batch: int, taps: tuple[int, ...], stride: int) -> None:
    x = picture(batch, 7, 9, 3)
    expected = 1.5 * reference.resample(x, plane(taps), (2, 1), down=stride)
    np.testing.assert_allclose(numbers(blur_2d(x, (2, 1), taps, 1.5, stride)), expected, atol=1e-6)


@pytest.mark.parametrize("channels", [3, 20])
@pytest.mark.parametrize("taps", TAPS)
@pytest.mark.parametrize(("batch", "height", "width"), [(1, 5, 6), (3, 7, 3)])
def test_upsampling_filters_inserted_zeros(
    channels: int, taps: tuple[int, ...], batch: int, height: int, width: int
) -> None:
    x = picture(batch, height, width, channels)
    excess = len(taps) - 2
    expected = 2 * reference.resample(x, 4 * plane(taps), ((excess + 1) // 2 + 1, excess // 2), up=2)
    assert expected.shape == (batch, 2 * height, 2 * width, channels)
    np.testing.assert_allclose(numbers(upsample_2d(x, taps, gain=2.0)), expected, atol=1e-5)


@pytest.mark.parametrize("taps", TAPS)
@pytest.mark.parametrize(("batch", "height", "width"), [(1, 6, 8), (3, 7, 5)])
def test_downsampling_filters_then_decimates(
    taps: tuple[int, ...], batch: int, height: int, width: int
) -> None:
    x = picture(batch, height, width, 3)
    excess = len(taps) - 2
    expected = reference.resample(x, plane(taps), ((excess + 1) // 2, excess // 2), down=2)
    assert expected.shape == (batch, height // 2, width // 2, 3)
    np.testing.assert_allclose(numbers(downsample_2d(x, taps)), expected, atol=1e-6)


@pytest.mark.parametrize("channels", [3, 20])
def test_upsampling_keeps_the_level_inside(channels: int) -> None:
    inside = numbers(upsample_2d(np.full((1, 6, 6, channels), 0.7, "f")))[:, 2:-2, 2:-2]
    np.testing.assert_allclose(inside, 0.7, atol=1e-6)


def test_haar_composes_blocks_of_four_pixels() -> None:
    x = picture(3, 5, 3, 8)
    low, details = x[..., :2], x[..., 2:].reshape(3, 5, 3, 2, 3)
    a, b, c = np.moveaxis(details, -1, 0)
    expected = np.zeros((3, 10, 6, 2))
    expected[:, 0::2, 0::2] = (low + a + b + c) / 2
    expected[:, 0::2, 1::2] = (low + a - b - c) / 2
    expected[:, 1::2, 0::2] = (low - a + b - c) / 2
    expected[:, 1::2, 1::2] = (low - a - b + c) / 2
    np.testing.assert_allclose(numbers(haar_up(x)), expected, atol=1e-6)


@pytest.mark.parametrize("batch", [1, 3])
def test_haar_is_an_orthogonal_inverse_pair(batch: int) -> None:
    x = picture(batch, 6, 10, 5)
    bands = numbers(haar_down(x))
    assert bands.shape == (batch, 3, 5, 20)
    assert (bands**2).sum() == pytest.approx((x.astype(np.float64) ** 2).sum(), rel=1e-6)
    np.testing.assert_allclose(numbers(haar_up(bands.astype("f"))), x, atol=1e-6)
    np.testing.assert_allclose(numbers(haar_down(haar_up(bands.astype("f")))), bands, atol=1e-6)


def test_haar_refuses_shapes_without_blocks() -> None:
    with pytest.raises(ValueError, match="even"):
        haar_down(np.zeros((1, 5, 4, 2), "f"))
    with pytest.raises(ValueError, match="fours"):
        haar_up(np.zeros((1, 4, 4, 6), "f"))
