"""Bootstrap intervals against the textbook."""

from __future__ import annotations

import numpy as np

from agetrans.evaluation.intervals import NOTHING, distance_of_means, mean_of, share_of


def test_the_interval_of_a_mean_is_that_of_the_normal_approximation() -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, size=400)
    estimate = mean_of(values)
    half = 1.96 * values.std() / 20
    np.testing.assert_allclose(
        [estimate.value, estimate.low, estimate.high],
        [values.mean(), values.mean() - half, values.mean() + half],
        atol=0.03,
    )
    assert estimate.count == 400
    assert estimate == mean_of(values)


def test_the_interval_of_a_share_is_wilsons() -> None:
    # 8 of 10: Wilson's limits as Brown, Cai and DasGupta (2001) compute them.
    estimate = share_of(np.array([1.0] * 8 + [0.0] * 2 + [np.nan]))
    np.testing.assert_allclose(
        [estimate.value, estimate.low, estimate.high], [0.8, 0.4902, 0.9433], atol=1e-4
    )
    assert estimate.count == 10
    everyone = share_of(np.ones(80))
    np.testing.assert_allclose([everyone.low, everyone.high], [80 / (80 + 1.959964**2), 1.0])
    assert share_of(np.array([np.nan])) is NOTHING


def test_missing_values_do_not_count() -> None:
    assert mean_of(np.array([1.0, np.nan, 3.0])).value == 2.0
    assert mean_of(np.array([1.0, np.nan, 3.0])).count == 2
    assert mean_of(np.array([np.nan])) is NOTHING


def test_the_distance_of_means_has_both_samples_spread() -> None:
    random = np.random.default_rng(1)
    a, b = random.normal(10.0, 3.0, 300), random.normal(14.0, 4.0, 200)
    estimate = distance_of_means(a, b)
    half = 1.96 * np.sqrt(a.var() / 300 + b.var() / 200)
    assert estimate.value == abs(a.mean() - b.mean())
    np.testing.assert_allclose(estimate.high - estimate.low, 2 * half, rtol=0.1)
