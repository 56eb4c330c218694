"""Losses that keep the person: on the generator's own features, and on a recogniser's."""

from __future__ import annotations

from typing import Any

from keras import ops

TRIPLET_EPSILON = 1e-6
"""Added to differences before their length is taken, so that its gradient stays finite at zero."""


def feature_error(a: Any, b: Any) -> Any:
    """Mean absolute difference of two maps of features: L_id of AgeTransGAN on its identity maps, L_cyc on pictures.

    Args:
        a: Any shape.
        b: The same shape.

    Returns:
        Scalar, float32.
    """
    return ops.mean(ops.abs(ops.cast(a, "float32") - ops.cast(b, "float32")))


def triplet(anchor: Any, positive: Any, negative: Any, margin: float) -> Any:
    """The triplet margin loss L_t of AgeTransGAN on identity maps: max(0, |a - p| - |a - n| + margin), mean.

    Distances are Euclidean along the rows of the maps, as in the public derivative of the authors' training.

    Args:
        anchor: Identity map of the input, `(B, H, W, C)`.
        positive: Of the reconstruction.
        negative: Of the generated picture.
        margin: By how much the positive must be nearer than the negative.

    Returns:
        Scalar, float32.
    """

    def distance(a: Any, b: Any) -> Any:
        difference = ops.cast(a, "float32") - ops.cast(b, "float32") + TRIPLET_EPSILON
        return ops.sqrt(ops.sum(ops.square(difference), axis=2))

    return ops.mean(ops.relu(distance(anchor, positive) - distance(anchor, negative) + margin))


def squared_error(a: Any, b: Any) -> Any:
    """Mean squared difference: the pixel loss, L_id^pre on a recogniser's embeddings, L_FAS's on identity features.

    Args:
        a: Any shape.
        b: The same shape.

    Returns:
        Scalar, float32.
    """
    return ops.mean(ops.square(ops.cast(a, "float32") - ops.cast(b, "float32")))
