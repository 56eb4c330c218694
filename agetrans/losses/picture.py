"""Losses between two pictures."""

from __future__ import annotations

from typing import Any

from keras import ops


def weighted_error(picture: Any, target: Any, weight: Any) -> Any:
    """Mean of |d| + 2 d^2 over the differences d, weighted by pixel.

    The absolute difference alone has the median for its optimum, which is "no change" for long: the square makes the
    rare large differences count.

    Args:
        picture: `(B, H, W, C)`.
        target: `(B, H, W, C)`.
        weight: `(B, H, W, 1)`, of any scale; 1 everywhere is the plain mean.

    Returns:
        Scalar.
    """
    difference = ops.abs(picture - target)
    return ops.mean(difference * (1.0 + 2.0 * difference) * weight)


def gradient_error(picture: Any, target: Any, weight: Any, scales: int = 3) -> Any:
    """Mean absolute difference of the slopes along x and y, over halved sizes.

    Keeps edges and wrinkles where the plain difference would settle for a grey mean.

    Args:
        picture: `(B, H, W, C)`, sides divisible by `2 ** (scales - 1)`.
        target: `(B, H, W, C)`.
        weight: `(B, H, W, 1)`.
        scales: Number of sizes, each half the one before.

    Returns:
        Scalar: the sum of both slopes, mean over the sizes.
    """
    difference, total = picture - target, 0.0
    for scale in range(scales):
        if scale:
            difference, weight = (
                ops.average_pool(x, 2, data_format="channels_last") for x in (difference, weight)
            )
        along_x = ops.abs(difference[:, :, 1:] - difference[:, :, :-1]) * weight[:, :, 1:]
        along_y = ops.abs(difference[:, 1:] - difference[:, :-1]) * weight[:, 1:]
        total = total + ops.mean(along_x) + ops.mean(along_y)
    return total / scales
