"""68 facial points as AgeTransGAN's program finds and reads them, with the package `face-alignment`."""

from __future__ import annotations

import pathlib

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]

_GROUP_STARTS = (17, 22, 27, 31, 36, 42, 48)
_ACCEPTED_VARIATION = (0.32, 0.74)


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


def choose_landmarks(faces: npt.ArrayLike) -> int:
    """Index of the face, of `(N, 68, 2)`, that the authors' program takes; the first where none passes."""
    return int(np.argmax([size_score(face) for face in np.asarray(faces, np.float64)]))


def find_landmarks(picture: npt.NDArray[np.uint8], weights: str | pathlib.Path | None = None) -> list[Points]:
    """Runs face-alignment's 2-D model, without mirroring.

    Args:
        picture: `(H, W, 3)` uint8, RGB.
        weights: Folder with a subfolder `checkpoints` that holds the package's weight files; by default
            torch.hub's, into which the package downloads them.

    Returns:
        `(68, 2)` float64 in pixels for each face.

    Raises:
        ImportError: The package is missing.
        FileNotFoundError: Its weights are missing and could not be downloaded.
    """
    try:
        import face_alignment
        import torch
    except ImportError as error:
        raise ImportError(
            "68 points need the package face-alignment: pip install 'agetrans[landmarks]'"
        ) from error
    before = torch.hub.get_dir()
    if weights is not None:
        torch.hub.set_dir(str(weights))
    try:
        finder = face_alignment.FaceAlignment(
            face_alignment.LandmarksType.TWO_D, device="cpu", flip_input=False
        )
    except OSError as error:
        folder = pathlib.Path(torch.hub.get_dir(), "checkpoints")
        raise FileNotFoundError(
            f"face-alignment's weights are not in {folder} and could not be downloaded: {error}"
        ) from error
    finally:
        torch.hub.set_dir(before)
    return [np.asarray(points, np.float64) for points in finder.get_landmarks_from_image(picture) or []]
