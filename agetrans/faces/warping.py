"""Cutting a framed crop out of a picture, and putting it back."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from agetrans.faces.framing import AGETRANSGAN_PADDING, Matrix, invert

Picture = npt.NDArray[np.uint8]


def warp(picture: Picture, matrix: Matrix, size: int, framing: str = "ffhq") -> Picture:
    """Cuts the framed crop out of a picture.

    Averages over areas where it shrinks, interpolates bicubically where it enlarges. Beyond the picture's edge the
    crop shows the reflected picture, more and more blurred. With the framing "agetransgan" it does as AgeTransGAN's
    program: interpolates bilinearly, and is black beyond the edge.

    Args:
        picture: `(H, W, 3)` uint8.
        matrix: `(2, 3)`, picture to crop.
        size: Side of the crop in pixels.
        framing: "ffhq" or "agetransgan".

    Returns:
        `(size, size, 3)` uint8.
    """
    if framing == "agetransgan":
        return _warp_as_authors(picture, matrix, size)
    if min(picture.shape[:2]) == 1:  # OpenCV 5 never returns from reflecting a single pixel
        picture = np.pad(picture, [(0, int(n == 1)) for n in picture.shape[:2]] + [(0, 0)], mode="edge")
    scale = math.sqrt(abs(np.linalg.det(matrix[:, :2])))
    samples = max(1, math.ceil(1 / scale - 0.05))
    # Sample i of a crop pixel's n sits at (i + 1/2) / n - 1/2 from its centre.
    fine = matrix * samples
    fine[:, 2] += (samples - 1) / 2
    crop = cv2.warpAffine(
        picture,
        fine,
        (size * samples, size * samples),
        flags=cv2.INTER_LINEAR if samples > 1 else cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    if samples > 1:
        crop = cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA)
    return _blur_outside(crop, picture.shape[:2], matrix)


def _warp_as_authors(picture: Picture, matrix: Matrix, size: int) -> Picture:
    # The border is black with and without padding; with it, OpenCV rounds coordinates as in the authors' program.
    pad = AGETRANSGAN_PADDING
    padded = cv2.copyMakeBorder(picture, pad, pad, pad, pad, cv2.BORDER_CONSTANT)
    shifted = matrix.copy()
    shifted[:, 2] -= matrix[:, :2] @ (pad, pad)
    return cv2.warpAffine(padded, shifted, (size, size), flags=cv2.INTER_LINEAR)


def _blur_outside(crop: Picture, shape: tuple[int, int], matrix: Matrix) -> Picture:
    """Blends towards blurred copies with the distance beyond the picture's edge."""
    size = len(crop)
    inverse = invert(matrix)
    grid = np.arange(size)
    outside = np.zeros((size, size), np.float32)
    for row, length in zip(inverse, (shape[1], shape[0]), strict=True):
        place = row[0] * grid[None] + row[1] * grid[:, None] + row[2]
        outside = np.maximum(outside, np.maximum(-place, place - (length - 1)).astype(np.float32))
    if outside.max() <= 0:
        return crop
    outside *= math.sqrt(abs(np.linalg.det(matrix[:, :2]))) / size
    result = crop.astype(np.float32)
    for sigma, reach in ((0.01, 0.04), (0.04, 0.16)):
        blurred = cv2.GaussianBlur(crop, (0, 0), sigma * size, borderType=cv2.BORDER_REFLECT_101).astype(
            np.float32
        )
        share = np.clip(outside / reach, 0, 1)[..., None]
        result += share * (blurred - result)
    return np.rint(result).astype(np.uint8)
