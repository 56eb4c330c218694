"""The bands that encoder and discriminator take, against sums over blocks of pixels."""

from __future__ import annotations

import numpy as np

from agetrans.models.spectrum import DETAIL_GAIN, spectrum
from tests.models.agetrans_reference import numbers


def picture(size: int = 16) -> np.ndarray:
    return np.random.RandomState(0).uniform(-1, 1, (2, size, size, 3)).astype("f")


def test_without_halving_it_is_the_picture() -> None:
    np.testing.assert_array_equal(numbers(spectrum(picture(), 0)), picture())


def test_first_comes_the_small_picture() -> None:
    image = picture()
    small = image.reshape(2, 4, 4, 4, 4, 3).mean(axis=(2, 4))
    bands = numbers(spectrum(image, 2))
    assert bands.shape == (2, 4, 4, 48)
    np.testing.assert_allclose(bands[..., :3], small, atol=1e-6)


def test_detail_is_all_that_the_small_picture_lacks() -> None:
    image = picture()
    small = image.reshape(2, 4, 4, 4, 4, 3).mean(axis=(2, 4))
    lost = image - small.repeat(4, axis=1).repeat(4, axis=2)
    bands = numbers(spectrum(image, 2))[..., 3:] / DETAIL_GAIN
    # The coarser detail is that of the halved picture, whose values are means, half of an orthonormal Haar band's.
    finest, coarser = bands[..., :36], bands[..., 36:]
    energy = (finest**2).sum(axis=(1, 2, 3)) + 4 * (coarser**2).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(energy, (lost**2).sum(axis=(1, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(numbers(spectrum(np.ones_like(image), 2))[..., 3:], 0, atol=1e-5)
