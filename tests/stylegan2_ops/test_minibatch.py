"""Minibatch standard deviation for any batch size."""

from __future__ import annotations

import numpy as np
import pytest

from stylegan2_ops import minibatch_stddev
from tests.stylegan2_ops.layers import normal, numbers


def expected_maps(x: np.ndarray, group_size: int, features: int) -> np.ndarray:
    """Sample by sample: `(B, features)`."""
    x = x.astype(np.float64)
    groups = max(1, len(x) // group_size)
    channels = x.shape[-1] // features
    maps = np.zeros((len(x), features))
    for i in range(len(x)):
        mates = x[i % groups :: groups]
        deviation = np.sqrt(mates.var(axis=0) + 1e-8)
        maps[i] = [deviation[..., f * channels : (f + 1) * channels].mean() for f in range(features)]
    return maps


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 5, 7, 8, 11, 12])
@pytest.mark.parametrize(("group_size", "features"), [(4, 1), (3, 2)])
def test_any_batch(batch: int, group_size: int, features: int) -> None:
    x = normal(batch, 3, 5, 4)
    y = numbers(minibatch_stddev(x, group_size, features))
    np.testing.assert_array_equal(y[..., :4], x)
    expected = expected_maps(x, group_size, features)[:, None, None, :]
    np.testing.assert_allclose(y[..., 4:], np.broadcast_to(expected, (batch, 3, 5, features)), rtol=1e-5)


def test_a_full_batch_is_grouped_as_in_stylegan2() -> None:
    x = normal(8, 2, 2, 6)
    grouped = x.astype(np.float64).reshape(4, 2, 2, 2, 2, 3)  # group of four, groups, H, W, features, C
    deviation = np.sqrt(grouped.var(axis=0) + 1e-8).mean(axis=(1, 2, 4))  # groups, features
    y = numbers(minibatch_stddev(x, 4, 2))[:, 0, 0, 6:]
    np.testing.assert_allclose(y, np.tile(deviation, (4, 1)), rtol=1e-5)


def test_channels_must_divide() -> None:
    with pytest.raises(ValueError, match="features=3"):
        minibatch_stddev(normal(2, 3, 3, 4), features=3)
