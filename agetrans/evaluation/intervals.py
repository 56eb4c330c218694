"""Intervals: how far a figure would move with other people of the same kind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_RESAMPLES = 1000
_Z = 1.959964
"""97.5 % of the normal distribution lie below."""


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval and the number of cases that it was made from; NaN where there were none."""

    value: float
    low: float
    high: float
    count: int


NOTHING = Estimate(np.nan, np.nan, np.nan, 0)


def mean_of(values: np.ndarray, seed: int = 0) -> Estimate:
    """Mean of `(N,)`, NaN left out, with a percentile bootstrap over the cases (Efron and Tibshirani, 1993, ch. 13)."""
    values = _finite(values)
    if not len(values):
        return NOTHING
    low, high = np.quantile(_resampled(values, seed).mean(axis=1), [0.025, 0.975])
    return Estimate(float(values.mean()), float(low), float(high), len(values))


def share_of(values: np.ndarray) -> Estimate:
    """Share of ones among `(N,)` of 0 and 1, NaN left out, with Wilson's interval (1927), which 100 % has too."""
    values = _finite(values)
    n = len(values)
    if not n:
        return NOTHING
    share = float(values.mean())
    middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z * np.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2)) / (1 + _Z**2 / n)
    return Estimate(share, float(middle - half), float(middle + half), n)


def distance_of_means(a: np.ndarray, b: np.ndarray, seed: int = 0) -> Estimate:
    """|mean of a - mean of b| with an interval that draws both anew; `count` is that of a."""
    a, b = _finite(a), _finite(b)
    if not len(a) or not len(b):
        return NOTHING
    drawn = np.abs(_resampled(a, seed).mean(axis=1) - _resampled(b, seed + 1).mean(axis=1))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(abs(float(a.mean() - b.mean())), float(low), float(high), len(a))


def _finite(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, np.float64)
    return values[np.isfinite(values)]


def _resampled(values: np.ndarray, seed: int) -> np.ndarray:
    chosen = np.random.default_rng(seed).integers(len(values), size=(_RESAMPLES, len(values)))
    return values[chosen]
