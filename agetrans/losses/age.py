"""Losses on estimated ages."""

from __future__ import annotations

from typing import Any

from keras import ops

SPREAD, SPREAD_PER_YEAR = 1.5, 0.06
"""Standard deviation of an age label in years, at birth and added per year of age."""


def age_distribution(years: Any, ages: int) -> Any:
    """A normal distribution over whole years around each age, cut to the years there are.

    Args:
        years: Ages `(B,)`.
        ages: Number of whole years, from 0.

    Returns:
        `(B, ages)` float32, rows sum to 1.
    """
    years = ops.expand_dims(ops.cast(years, "float32"), -1)
    distance = (ops.arange(ages, dtype="float32") - years) / (SPREAD + SPREAD_PER_YEAR * years)
    return ops.softmax(-0.5 * ops.square(distance))


def age_cross_entropy(logits: Any, years: Any) -> Any:
    """Cross-entropy of logits over years against `age_distribution`, per sample.

    Args:
        logits: `(B, ages)`, one for each whole year from 0.
        years: Ages `(B,)`.

    Returns:
        `(B,)`.
    """
    return -ops.sum(age_distribution(years, logits.shape[-1]) * ops.log_softmax(logits), axis=-1)


def group_cross_entropy(logits: Any, label: Any) -> Any:
    """Cross-entropy of logits over age groups against labels, mean over the batch.

    Args:
        logits: `(B, G)`.
        label: `(B, G)`, rows sum to 1.

    Returns:
        Scalar.
    """
    return -ops.mean(ops.sum(ops.multiply(label, ops.log_softmax(logits)), axis=-1))
