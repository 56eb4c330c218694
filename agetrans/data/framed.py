"""The face of a photograph, cut out for training."""

from __future__ import annotations

import dataclasses
import zipfile
from pathlib import Path

import cv2
import numpy as np

from agetrans.data.labelled import DataError
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


def read_framed(path: Path, *labels: str) -> dict[str, np.ndarray]:
    """The photographs of a file that `python -m agetrans.data.photographs` wrote.

    Args:
        path: The file.
        labels: Arrays that are wanted beside the pictures: `age` in years, `male` 0 or 1.

    Returns:
        `pictures` `(N, 256, 256, 3)` uint8, and of each label `(N,)` float32.

    Raises:
        DataError: It is no such file, or lacks a label.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            photographs = {name: file[name] for name in ("pictures", *labels)}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path} is not a file of framed photographs as python -m agetrans.data.photographs writes it ({error})."
        ) from None
    pictures = photographs["pictures"]
    if pictures.dtype != np.uint8 or pictures.shape[1:] != (SIZE, SIZE, 3):
        raise DataError(f"{path} must hold pictures (N, {SIZE}, {SIZE}, 3) of uint8.")
    if any(photographs[name].shape != (len(pictures),) for name in labels):
        raise DataError(f"{path} must hold as many labels as pictures.")
    try:
        return {"pictures": pictures} | {name: photographs[name].astype(np.float32) for name in labels}
    except ValueError as error:
        raise DataError(f"{path} must hold numbers for {' and '.join(labels)} ({error}).") from None


def read_text_label(path: Path, label: str) -> np.ndarray:
    """What `python -m agetrans.data.photographs --keep LABEL` took along, `(N,)` text, "" where nothing is labelled.

    Raises:
        DataError: The file has no such label.
    """
    with np.load(path, allow_pickle=False) as file:
        if label not in file.files or file[label].dtype.kind != "U" or len(file[label]) != len(file["age"]):
            raise DataError(
                f"{path} has no label {label}: python -m agetrans.data.photographs --keep {label} takes it along."
            )
        return file[label]
