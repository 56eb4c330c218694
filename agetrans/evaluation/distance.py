"""Kernel distance between the pictures of a method and real ones."""

from __future__ import annotations

import numpy as np

from agetrans.evaluation.intervals import NOTHING, Estimate

_SUBSETS = 100


def kernel_distance(made: np.ndarray, real: np.ndarray) -> float:
    """Unbiased squared maximum mean discrepancy with the cubic kernel (x.y / D + 1)^3 (KID: Binkowski et al., 2018).

    Args:
        made: features `(N, D)`, N at least 2.
        real: features `(M, D)`, M at least 2.
    """
    made, real = made.astype(np.float64), real.astype(np.float64)
    within = [_off_diagonal_mean(_kernel(x, x)) for x in (made, real)]
    return float(within[0] + within[1] - 2 * _kernel(made, real).mean())


def kernel_distance_estimate(made: np.ndarray, real: np.ndarray, seed: int = 0) -> Estimate:
    """`kernel_distance` with the middle 95 % of 100 halves of both sets, drawn without replacement.

    Rows of NaN are left out. The original's Inception features cannot be had here: the features are unit embeddings
    of a face recogniser, scaled to mean square 1, so the number is comparable within one report only.
    """
    made, real = (x[np.isfinite(x).all(axis=1)] * np.sqrt(x.shape[1]) for x in (made, real))
    if min(len(made), len(real)) < 4:
        return NOTHING
    random = np.random.default_rng(seed)
    drawn = [
        kernel_distance(*(x[random.permutation(len(x))[: len(x) // 2]] for x in (made, real)))
        for _ in range(_SUBSETS)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(kernel_distance(made, real), float(low), float(high), len(made))


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _off_diagonal_mean(kernel: np.ndarray) -> float:
    n = len(kernel)
    return float((kernel.sum() - np.trace(kernel)) / (n * (n - 1)))
