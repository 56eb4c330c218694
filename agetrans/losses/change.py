"""Losses on the parts of a change: displacement and mask."""

from __future__ import annotations

from typing import Any

from keras import ops


def displacement_error(flow: Any, target: Any, weight: Any) -> Any:
    """Mean of |d| + 100 d^2 over the differences d of displacements on a coarse grid.

    Most displacements are near zero; the square makes those between a child and an adult count.

    Args:
        flow: `(B, S, S, 2)` in fractions of the width; averaged down to the target's grid.
        target: `(B, s, s, 2)`, S a multiple of s.
        weight: `(B, s, s, 1)`.

    Returns:
        Scalar.
    """
    flow = ops.average_pool(flow, flow.shape[1] // target.shape[1], data_format="channels_last")
    difference = ops.abs(flow - target)
    return ops.mean(difference * (1.0 + 100.0 * difference) * weight)


def mask_cross_entropy(mask: Any, target: Any) -> Any:
    """Mean binary cross-entropy of a mask and a target on a coarser grid.

    Args:
        mask: `(B, S, S, 1)` in [0, 1]; averaged down to the target's grid, then kept 0.001 away from 0 and 1.
        target: `(B, s, s, 1)` in [0, 1], S a multiple of s.

    Returns:
        Scalar.
    """
    mask = ops.average_pool(mask, mask.shape[1] // target.shape[1], data_format="channels_last")
    mask = ops.clip(mask, 1e-3, 1 - 1e-3)
    return -ops.mean(target * ops.log(mask) + (1 - target) * ops.log(1 - mask))
