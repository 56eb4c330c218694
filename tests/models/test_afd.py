"""Attention-based feature decomposition against slow NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from agetrans.models.afd import FeatureDecomposition, adaptive_windows, pyramid_pool
from tests.models import agetrans_reference as reference
from tests.models.agetrans_reference import numbers


def test_windows_overlap_as_mtlfaces_do() -> None:
    assert adaptive_windows(7, 1) == [(0, 7)]
    assert adaptive_windows(7, 2) == [(0, 4), (3, 7)]
    assert adaptive_windows(7, 3) == [(0, 3), (2, 5), (4, 7)]


@pytest.mark.parametrize(("height", "width"), [(7, 7), (4, 5), (16, 16)])
def test_pyramid_pooling_reads_every_window(height: int, width: int) -> None:
    x = np.random.RandomState(1).standard_normal((2, height, width, 3)).astype("f")
    expected = np.concatenate(
        [cell for cells in (1, 2, 3) for cell in reference.adaptive_pool(x, cells, np.max)], axis=-1
    )
    np.testing.assert_array_equal(numbers(pyramid_pool(x, ops.max)), expected)


@pytest.mark.parametrize("side", [4, 7])
def test_the_parts_are_the_papers_and_their_sum_is_the_features(side: int) -> None:
    layer = FeatureDecomposition(reduction=4)
    x = np.random.RandomState(2).standard_normal((3, side, side, 8)).astype("f")
    layer.build(x.shape)
    reference.fill(layer, seed=3)
    identity, age = layer(x)
    expected_identity, expected_age = reference.afd(layer, x.astype(np.float64))
    np.testing.assert_allclose(numbers(age), expected_age, atol=1e-5)
    np.testing.assert_allclose(numbers(identity), expected_identity, atol=1e-5)
    np.testing.assert_allclose(numbers(identity) + numbers(age), x, atol=1e-6)


def test_attention_is_between_none_and_all_of_a_feature() -> None:
    layer = FeatureDecomposition(reduction=4)
    layer.build((None, 4, 4, 8))
    reference.fill(layer, seed=4)
    _, age = layer(np.ones((1, 4, 4, 8), "f"))
    assert (numbers(age) > 0).all()
    assert (numbers(age) < 1).all()
    assert numbers(age).std() > 0.01
