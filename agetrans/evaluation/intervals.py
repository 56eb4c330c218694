"""Bootstrap intervals: how far a figure would move with other people of the same kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

_RESAMPLES = 1000


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
    return statistic_of(lambda chosen: chosen.mean(axis=-1), values, seed)


def statistic_of(
    statistic: Callable[[np.ndarray], np.ndarray], values: np.ndarray, seed: int = 0
) -> Estimate:
    """Any statistic over the last axis of `(N,)`, NaN left out, with its bootstrap interval."""
    values = np.asarray(values, np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return NOTHING
    drawn = statistic(_resampled(values, seed))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(float(statistic(values)), float(low), float(high), len(values))


def distance_of_means(a: np.ndarray, b: np.ndarray, seed: int = 0) -> Estimate:
    """|mean of a - mean of b| with an interval that draws both anew; `count` is that of a."""
    a, b = (np.asarray(values, np.float64) for values in (a, b))
    a, b = a[np.isfinite(a)], b[np.isfinite(b)]
    if not len(a) or not len(b):
        return NOTHING
    drawn = np.abs(_resampled(a, seed).mean(axis=1) - _resampled(b, seed + 1).mean(axis=1))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(abs(float(a.mean() - b.mean())), float(low), float(high), len(a))


def _resampled(values: np.ndarray, seed: int) -> np.ndarray:
    chosen = np.random.default_rng(seed).integers(len(values), size=(_RESAMPLES, len(values)))
    return values[chosen]
