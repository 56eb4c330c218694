"""Losses on ages against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from agetrans.losses import age_cross_entropy, age_distribution, group_cross_entropy

YEARS = np.array([0.0, 4.5, 30.0, 77.3, 100.0], "f")


def normal(years: float) -> np.ndarray:
    spread = 1.5 + 0.06 * years
    density = np.exp(-((np.arange(101) - years) ** 2) / (2 * spread**2))
    return density / density.sum()


def test_an_age_is_a_normal_distribution_that_widens_with_the_years() -> None:
    shares = ops.convert_to_numpy(age_distribution(YEARS, 101))
    np.testing.assert_allclose(shares, [normal(float(years)) for years in YEARS], atol=1e-6)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    assert shares.argmax(axis=1)[[0, 2, 3, 4]].tolist() == [0, 30, 77, 100]


def test_the_cross_entropy_of_each_sample() -> None:
    logits = np.random.RandomState(1).normal(0, 4, (5, 101)).astype("f")
    log_shares = logits - np.log(np.exp(logits.astype(np.float64)).sum(axis=1, keepdims=True))
    expected = [-(normal(float(years)) * row).sum() for years, row in zip(YEARS, log_shares, strict=True)]
    np.testing.assert_allclose(ops.convert_to_numpy(age_cross_entropy(logits, YEARS)), expected, rtol=1e-5)


def test_the_cross_entropy_is_least_at_the_distribution_itself() -> None:
    perfect = np.log(np.array([normal(30.0)]) + 1e-30).astype("f")
    least = float(age_cross_entropy(perfect, YEARS[2:3])[0])
    assert least == pytest.approx(-(normal(30.0) * np.log(normal(30.0) + 1e-30)).sum(), rel=1e-4)
    assert least < float(age_cross_entropy(np.roll(perfect, 1, axis=1), YEARS[2:3])[0])


def test_the_cross_entropy_of_groups() -> None:
    stream = np.random.RandomState(2)
    logits, label = stream.normal(0, 2, (3, 4)).astype("f"), stream.dirichlet(np.ones(4), 3).astype("f")
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = -(label * np.log(shares)).sum(axis=1).mean()
    assert float(group_cross_entropy(logits, label)) == pytest.approx(expected, rel=1e-5)
