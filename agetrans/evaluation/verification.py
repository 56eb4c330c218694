"""Verification: is the aged face still the same person, at thresholds that other people's faces set.

A threshold belongs to an age gap, from the sources' group to a target group: real people of the target group who are
not the source are the impostors, and the threshold is the similarity that a stated share of these pairs exceeds. So
a recogniser that finds all small children alike cannot pass an output for being a small child.
"""

from __future__ import annotations

import numpy as np

from agetrans.evaluation.intervals import Estimate

FALSE_ACCEPTS = 0.01
"""Share of impostor pairs above a threshold."""
_RESAMPLES = 200


def impostor_similarities(sources: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Similarities of sources `(N, D)` and others `(M, D)`, unit vectors: `(N, M)`, NaN where both are one picture."""
    similarities = sources.astype(np.float64) @ others.astype(np.float64).T
    same_picture = (sources[:, None] == others[None]).all(axis=-1)
    return np.where(same_picture, np.nan, similarities)


def calibrate(impostors: np.ndarray, seed: int = 0, false_accepts: float = FALSE_ACCEPTS) -> Estimate:
    """The threshold of an age gap: the similarity above which two pictures count as one person.

    Args:
        impostors: `(N, M)` from `impostor_similarities`.
        seed: of the interval's resampling. Sources and others are drawn anew, both with replacement: pairs that share
            a person are not independent.
        false_accepts: share of impostor pairs that may exceed it.

    Returns:
        The threshold; its `count` is the number of pairs.

    Raises:
        ValueError: fewer than `1 / false_accepts` pairs, too few to say what that share exceeds.
    """
    pairs = int(np.isfinite(impostors).sum())
    if pairs * false_accepts < 1:
        raise ValueError(
            f"A threshold at {false_accepts:.1%} false accepts needs {1 / false_accepts:.0f} impostor pairs at least. "
            f"Received: {pairs}"
        )
    random = np.random.default_rng(seed)
    n, m = impostors.shape
    drawn = [
        _quantile(impostors[random.integers(n, size=n)][:, random.integers(m, size=m)], 1 - false_accepts)
        for _ in range(_RESAMPLES)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(_quantile(impostors, 1 - false_accepts), float(low), float(high), pairs)


def own_thresholds(impostors: np.ndarray, false_accepts: float = FALSE_ACCEPTS) -> np.ndarray:
    """A threshold for each source, which 99 % of the other real people of the target group stay below.

    It is stricter for faces that resemble many.

    Args:
        impostors: `(N, M)` from `impostor_similarities`.
        false_accepts: share of other people who may be more alike.

    Returns:
        `(N,)` float64.
    """
    return np.array([_quantile(row, 1 - false_accepts) for row in impostors])


def verified(sources: np.ndarray, outputs: np.ndarray, threshold: float | np.ndarray) -> np.ndarray:
    """Whether outputs exceed a threshold: `(N,)` float64, 1 or 0; NaN where the output is missing."""
    similarities = (sources.astype(np.float64) * outputs).sum(axis=1)
    return np.where(np.isnan(similarities), np.nan, similarities > threshold)


def _quantile(values: np.ndarray, share: float) -> float:
    """`np.nanquantile` of all values, which is slow."""
    return float(np.quantile(values[np.isfinite(values)], share))
