"""The face of a photograph, cut out for training."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from agetrans.faces import Face, find_faces, framing_matrix, warp

SIZE = 256
FINDING_SIDE = 150
"""The face fills most of a portrait, so it is looked for in a small copy first, which takes a thirtieth of a second."""


def frame(picture: np.ndarray, pad: int = 0, framing: str = "ffhq", size: int = SIZE) -> np.ndarray | None:
    """The largest face of a picture, `(size, size, 3)` uint8, or None where there is none.

    Args:
        picture: `(H, W, 3)` uint8.
        pad: Pixels of reflection around it: tight crops need some.
        framing: See `framing_matrix`.
        size: Side of the result in pixels.
    """
    picture = cv2.copyMakeBorder(picture, pad, pad, pad, pad, cv2.BORDER_REFLECT)
    faces = _find_small(picture) or find_faces(picture)
    if not faces:
        return None
    return warp(picture, framing_matrix(faces[0].points, framing, size), size)


def _find_small(picture: np.ndarray) -> list[Face]:
    factor = max(1.0, max(picture.shape[:2]) / FINDING_SIDE)
    small = cv2.resize(picture, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)
    return [
        dataclasses.replace(face, points=(face.points + 0.5) * factor - 0.5) for face in find_faces(small)
    ]
