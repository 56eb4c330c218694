"""68 facial points as AgeTransGAN's program finds and reads them, with the package `face-alignment`."""

from __future__ import annotations

import pathlib
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from agetrans.faces.face import Face
from agetrans.faces.finder import at_most, find_faces
from agetrans.framings import LANDMARKS

Points = npt.NDArray[np.float64]
FaceFinder = Callable[[npt.NDArray[np.uint8]], list[Face]]
"""From a picture `(H, W, 3)` uint8 RGB to its faces."""

LARGEST_SIDE = 2048
"""Larger pictures are searched at this size: at 12 megapixels one layer of the package's finder takes 3 GB."""

_GROUP_STARTS = (17, 22, 27, 31, 36, 42, 48)
_ACCEPTED_VARIATION = (0.32, 0.74)
_WEIGHTS = ("s3fd-619a316812.pth", "2DFAN4-cd938726ad.zip")


class LandmarksMissing(RuntimeError):
    """The package or its weights are not there. The message says where they belong."""


def face_finder(landmarks: int = 5, framing: str = "ffhq") -> FaceFinder:
    """What finds faces by so many points.

    Args:
        landmarks: 5, for `find_faces`; or 68: `face-alignment`'s, of which the five of `Face.points` are made. The face
            that the authors' program takes is then the first.
        framing: what the faces are framed for, see `five_points`.

    Raises:
        LandmarksMissing: 68 are asked for, and the package is missing, or its weights are and cannot be downloaded.
        ValueError: another number of points.
    """
    if landmarks not in LANDMARKS:
        raise ValueError(f"Faces are found by 5 or 68 points. Received: landmarks={landmarks!r}")
    if landmarks == 5:
        return find_faces
    model = _load_model()
    return lambda picture: _find(model, picture, framing)


def five_points(landmarks: Points, framing: str) -> Points:
    """The points `(5, 2)` of `Face.points` from `(68, 2)`.

    For "agetransgan" the right eye is the mean of landmarks 42 to 46, without 47, as in the authors' program.
    """
    right_eye = landmarks[42 : 47 if framing == "agetransgan" else 48].mean(axis=0)
    return np.stack([landmarks[36:42].mean(axis=0), right_eye, landmarks[30], landmarks[48], landmarks[54]])


def size_score(landmarks: Points) -> float:
    """The authors' size of a face, in pixels; 0 where the points are spaced as no face's are."""
    steps = np.linalg.norm(np.diff(landmarks, axis=0), axis=1)
    steps = np.delete(steps, np.array(_GROUP_STARTS) - 1)
    low, high = _ACCEPTED_VARIATION
    if not low * steps.mean() <= steps.std() <= high * steps.mean():
        return 0.0
    return float(np.linalg.norm(landmarks[16] - landmarks[0]) + np.linalg.norm(landmarks[28] - landmarks[9]))


def _load_model() -> Any:
    try:
        import face_alignment
        import torch
    except ImportError as error:
        raise LandmarksMissing(
            f'68 points need the package {error.name}: pip install "agetrans[landmarks]", in a clone pip install -e '
            '".[landmarks]".'
        ) from error
    try:
        return face_alignment.FaceAlignment(
            face_alignment.LandmarksType.TWO_D, device="cpu", flip_input=False
        )
    except (OSError, RuntimeError) as error:  # no network, or a file that was cut off
        folder = pathlib.Path(torch.hub.get_dir(), "checkpoints")
        reason = " ".join(str(error).split())
        raise LandmarksMissing(
            f"68 points need face-alignment's weights: {' and '.join(_WEIGHTS)} belong in {folder} and could not be "
            f"downloaded or read ({reason})."
        ) from error


def _find(model: Any, picture: npt.NDArray[np.uint8], framing: str) -> list[Face]:
    """Faces, the largest by `size_score` first; their boxes are those around all 68 points."""
    small = at_most(picture, LARGEST_SIDE)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "No faces were detected")
        found = [np.asarray(points, np.float64) for points in model.get_landmarks_from_image(small) or []]
    back = picture.shape[1] / small.shape[1], picture.shape[0] / small.shape[0]
    return [
        Face(_box(points), five_points(points, framing), 1.0).scaled(*back)
        for points in sorted(found, key=size_score, reverse=True)
    ]


def _box(points: Points) -> tuple[float, float, float, float]:
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return left, top, right - left, bottom - top
