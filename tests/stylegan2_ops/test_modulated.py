"""Modulated and styled convolution and the image output, against a kernel for each sample in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from stylegan2_ops import ModulatedConv2D, NoiseInjection, StyledConv2D, ToImage
from tests.stylegan2_ops import reference
from tests.stylegan2_ops.layers import normal, numbers, randomized


def expected_modulated(
    weights: dict[str, np.ndarray],
    x: np.ndarray,
    w: np.ndarray,
    resampling: str | None,
    demodulate: bool,
    prefix: str = "",
) -> np.ndarray:
    style = reference.dense(w, weights[f"{prefix}modulation/kernel"], weights[f"{prefix}modulation/bias"])
    kernel = weights[f"{prefix}kernel"]
    if f"{prefix}depthwise_kernel" not in weights:
        return reference.modulated_conv(x, style, kernel, resampling, demodulate)
    depthwise = weights[f"{prefix}depthwise_kernel"]
    return reference.separable_modulated_conv(x, style, kernel, depthwise, resampling, demodulate)


@pytest.mark.parametrize("resampling", [None, "up", "down"])
@pytest.mark.parametrize("separable", [False, True])
@pytest.mark.parametrize("demodulate", [False, True])
@pytest.mark.parametrize(("batch", "height", "width"), [(1, 5, 7), (3, 6, 3)])
def test_modulated_convolution(
    resampling: str | None, separable: bool, demodulate: bool, batch: int, height: int, width: int
) -> None:
    layer = ModulatedConv2D(4, 3, resampling, demodulate, separable)
    x, w = normal(batch, height, width, 5), normal(batch, 6, seed=2)
    layer.build(x.shape, w.shape)
    expected = expected_modulated(randomized(layer), x, w, resampling, demodulate)
    np.testing.assert_allclose(numbers(layer(x, w)), expected, atol=2e-5)


@pytest.mark.parametrize("resampling", [None, "up", "down"])
@pytest.mark.parametrize("batch", [1, 3])
def test_modulated_pointwise_convolution(resampling: str | None, batch: int) -> None:
    layer = ModulatedConv2D(2, 1, resampling)
    x, w = normal(batch, 5, 4, 5), normal(batch, 6, seed=2)
    layer.build(x.shape, w.shape)
    expected = expected_modulated(randomized(layer), x, w, resampling, True)
    np.testing.assert_allclose(numbers(layer(x, w)), expected, atol=1e-5)


def test_many_channels_take_the_same_path_up() -> None:
    layer = ModulatedConv2D(19, 3, "up", separable=True)
    x, w = normal(2, 4, 5, 3), normal(2, 6, seed=2)
    layer.build(x.shape, w.shape)
    expected = expected_modulated(randomized(layer), x, w, "up", True)
    np.testing.assert_allclose(numbers(layer(x, w)), expected, atol=2e-5)


@pytest.mark.parametrize("separable", [False, True])
def test_one_sample_serves_many_styles_and_one_style_many_samples(separable: bool) -> None:
    layer = ModulatedConv2D(4, 3, separable=separable, gain=2.0)
    x, w = normal(3, 5, 4, 5), normal(3, 6, seed=2)
    layer.build(x.shape, w.shape)
    weights = randomized(layer)
    expected = 2 * expected_modulated(weights, np.repeat(x[:1], 3, 0), w, None, True)
    np.testing.assert_allclose(numbers(layer(x[:1], w)), expected, atol=2e-5)
    expected = 2 * expected_modulated(weights, x, np.repeat(w[:1], 3, 0), None, True)
    np.testing.assert_allclose(numbers(layer(x, w[:1])), expected, atol=2e-5)


def test_a_fresh_modulation_changes_little() -> None:
    layer = ModulatedConv2D(4, 3)
    w = normal(1, 6)
    layer.build((1, 5, 5, 3), w.shape)
    np.testing.assert_allclose(numbers(layer.modulation(np.zeros_like(w))), 1.0)


@pytest.mark.parametrize("arguments", [{"kernel_size": 4}, {"kernel_size": 3, "resample": "left"}])
def test_what_a_modulated_convolution_cannot_do_is_refused(arguments: dict) -> None:
    with pytest.raises(ValueError, match=r"kernel_size|resample"):
        ModulatedConv2D(4, **arguments)


@pytest.mark.parametrize("noise_batch", [1, 3])
def test_noise_injection(noise_batch: int) -> None:
    layer = NoiseInjection()
    x, noise = normal(3, 4, 5, 2), normal(noise_batch, 4, 5, 1, seed=2)
    np.testing.assert_allclose(numbers(layer(x, noise)), x)  # The strength starts at zero.
    strength = randomized(layer)["strength"]
    np.testing.assert_allclose(numbers(layer(x, noise)), x + strength * noise, atol=1e-6)
    np.testing.assert_allclose(numbers(layer(x)), x)


@pytest.mark.parametrize("resampling", [None, "up", "down"])
@pytest.mark.parametrize("separable", [False, True])
@pytest.mark.parametrize("batch", [1, 3])
def test_styled_convolution(resampling: str | None, separable: bool, batch: int) -> None:
    layer = StyledConv2D(4, resample=resampling, separable=separable)
    x, w = normal(batch, 5, 7, 5), normal(batch, 6, seed=2)
    layer.build(x.shape, w.shape)
    weights = randomized(layer)
    convolved = expected_modulated(weights, x, w, resampling, True, prefix="conv/")
    noise = normal(1, *convolved.shape[1:3], 1, seed=3)
    for given, added in ((noise, weights["noise/strength"] * noise), (None, 0.0)):
        expected = np.sqrt(2) * reference.leaky_relu(convolved + added + weights["bias"])
        np.testing.assert_allclose(numbers(layer(x, w, given)), expected, atol=3e-5)


@pytest.mark.parametrize("channels", [3, 6])
@pytest.mark.parametrize("batch", [1, 3])
def test_to_image(channels: int, batch: int) -> None:
    layer = ToImage(channels)
    x, w, skip = normal(batch, 6, 10, 5), normal(batch, 6, seed=2), normal(batch, 3, 5, channels, seed=3)
    layer.build(x.shape, w.shape)
    weights = randomized(layer)
    expected = expected_modulated(weights, x, w, None, False, prefix="conv/") + weights["bias"]
    np.testing.assert_allclose(numbers(layer(x, w)), expected, atol=1e-5)
    expected += reference.resample(skip, 4 * reference.BINOMIAL, (2, 1), up=2)
    np.testing.assert_allclose(numbers(layer(x, w, skip)), expected, atol=1e-5)
