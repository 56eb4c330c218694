"""How recognition frames a face: the five-point template of 112 x 112 pixels of InsightFace, MTLFace and IEFP."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from agetrans.faces import similarity, warp

TEMPLATE_SIDE = 112
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
"""Eyes, nose and mouth corners, x and y, as `Face.points` has them; a pixel's centre has integer coordinates."""
_EYES, _NOSE, _MOUTH = ((36, 42), (42, 48)), 30, (48, 54)


def align(picture: np.ndarray, points: npt.ArrayLike, size: int = TEMPLATE_SIDE) -> np.ndarray:
    """A face on the template.

    Args:
        picture: `(H, W, 3)` uint8 RGB.
        points: `(5, 2)`, as `Face.points`, pixels.
        size: Side of the result.

    Returns:
        `(size, size, 3)` uint8.

    Raises:
        ValueError: The points fix no frame.
    """
    factor = size / TEMPLATE_SIDE
    return warp(picture, similarity(points, (TEMPLATE + 0.5) * factor - 0.5), size)


def five_of_68(points: np.ndarray) -> np.ndarray:
    """Eyes, nose and mouth corners `(5, 2)` of 68 points `(68, 2)` in iBUG's order."""
    eyes = [points[first:end].mean(axis=0) for first, end in _EYES]
    return np.stack([*eyes, points[_NOSE], *(points[place] for place in _MOUTH)])
