"""Putting a changed crop back into its photograph."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from agetrans.faces.framing import Matrix, invert
from agetrans.faces.warping import warp

FEATHER = 1 / 12
"""Width of the soft edge, as a share of the crop's side."""


def paste_back(
    picture: npt.NDArray[np.uint8], crop: npt.NDArray[np.uint8], matrix: Matrix, framing: str = "ffhq"
) -> npt.NDArray[np.uint8]:
    """Puts a changed crop back: what is pasted is the change, so that the photograph keeps its own grain.

    The difference between the crop and the one that the photograph gives is moved back through the inverse transform,
    faded out towards the crop's edge and added. An unchanged crop gives the unchanged photograph.

    Args:
        picture: `(H, W, 3)` uint8, the photograph.
        crop: `(S, S, 3)` uint8, the changed crop.
        matrix: `(2, 3)`, photograph to crop, the one that the crop was cut with.
        framing: That of `warp`, the one that the crop was cut with.

    Returns:
        `(H, W, 3)` uint8; pixels outside the crop are the photograph's.
    """
    size = len(crop)
    change = crop.astype(np.float32) - warp(picture, matrix, size, framing)
    ramp = np.clip((np.minimum(np.arange(size), np.arange(size)[::-1]) + 0.5) / (FEATHER * size), 0, 1)
    ramp = ramp * ramp * (3 - 2 * ramp)
    change *= (ramp[:, None] * ramp[None, :])[..., None].astype(np.float32)
    left, top, right, bottom = _bounds(matrix, size, picture.shape)
    if left >= right or top >= bottom:
        return picture.copy()
    shifted = matrix.copy()
    shifted[:, 2] += matrix[:, :2] @ (left, top)
    scale = math.sqrt(abs(np.linalg.det(matrix[:, :2])))
    if scale > 1:  # the photograph is coarser than the crop: average before sampling, or the change aliases
        change = cv2.GaussianBlur(change, (0, 0), 0.5 * scale)
    moved = cv2.warpAffine(
        change,
        shifted,
        (right - left, bottom - top),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
    )
    result = picture.copy()
    part = result[top:bottom, left:right]
    part[...] = np.clip(np.rint(part + moved), 0, 255).astype(np.uint8)
    return result


def _bounds(matrix: Matrix, size: int, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the crop in the photograph, cut at its edges."""
    corners = np.array([(-1, -1, 1), (size, -1, 1), (-1, size, 1), (size, size, 1)]) @ invert(matrix).T
    low, high = np.floor(corners.min(axis=0)).astype(int), np.ceil(corners.max(axis=0)).astype(int) + 1
    return max(0, low[0]), max(0, low[1]), min(shape[1], high[0]), min(shape[0], high[1])
