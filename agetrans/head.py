"""Where the head is in the `ffhq` framing, and how far from it a picture may change."""

from __future__ import annotations

import numpy as np

HEAD_CENTRE, HEAD_AXES = (0.5, 0.477), (0.383, 0.492)
"""Ellipse around the head in the `ffhq` framing, centre and half axes (x, y), in fractions of the picture's side."""
REACH = (0.85, 1.25)
"""A change fades from full to nothing between these multiples of the head's half axes."""


def head_reach(size: int) -> np.ndarray:
    """How far from the head a picture may change: what lies beyond belongs to the background, hair or not.

    Args:
        size: Side of the picture in pixels.

    Returns:
        `(size, size, 1)` float32: 1 on the head, falling smoothly to 0.
    """
    places = (np.arange(size, dtype=np.float32) + 0.5) / size
    x, y = ((places - centre) / axis for centre, axis in zip(HEAD_CENTRE, HEAD_AXES, strict=True))
    near, far = REACH
    share = np.clip((far - np.hypot(x[None], y[:, None])) / (far - near), 0, 1)
    return (share * share * (3 - 2 * share))[..., None].astype(np.float32)
