"""The people of an evaluation: whose ages are changed, and the real ones that results are held against."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from agetrans.data.framed import read_framed, read_text_label
from agetrans.data.labelled import DataError
from agetrans.evaluation.errors import EvaluationError
from agetrans.evaluation.readings import SIZE
from agetrans.faces import FaceNotFound, choose_face, find_faces, framing_matrix, warp
from agetrans.groups import AgeGroups
from agetrans.pictures import PictureError, pictures_in, read_picture

_FINDING_SIDE = 640


@dataclass(frozen=True, eq=False)
class Sources:
    """People whose ages are changed.

    Attributes:
        names: one a person, without folder and ending; outputs in a folder carry the same.
        pictures: `(N, 256, 256, 3)` uint8 RGB, framed "ffhq".
        places: where each picture lies in its photograph: height, width and the matrix to the framed picture; None
            where the photographs came framed.
        unusable: photographs that were left out, a sentence each.
        labels: of each label that is looked at by itself, everyone's value.
    """

    names: tuple[str, ...]
    pictures: np.ndarray
    places: tuple[tuple[int, int, np.ndarray], ...] | None = None
    unusable: tuple[str, ...] = field(default=())
    labels: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class RealPeople:
    """Real people of all ages: `pictures` `(M, 256, 256, 3)` uint8 RGB, framed "ffhq", and their groups `(M,)`."""

    pictures: np.ndarray
    members: np.ndarray


def frame_photograph(
    picture: np.ndarray, framing: str = "ffhq", size: int = SIZE
) -> tuple[np.ndarray, np.ndarray]:
    """The largest face of a picture, framed, and the matrix that took it there.

    Args:
        picture: `(H, W, 3)` uint8 RGB. What the frame needs beyond its edge is reflected.
        framing: see `agetrans.faces.framing_matrix`.
        size: side of the result in pixels.

    Returns:
        `(size, size, 3)` uint8 and `(2, 3)` float64.

    Raises:
        FaceNotFound: no face in it.
    """
    factor = max(1.0, max(picture.shape[:2]) / _FINDING_SIDE)
    small = cv2.resize(picture, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)
    faces = find_faces(small)
    if not faces:
        faces, factor = find_faces(picture), 1.0
    points = (np.asarray(choose_face(faces, "largest")[0].points) + 0.5) * factor - 0.5
    matrix = framing_matrix(points, framing, size)
    return framed(picture, matrix, size), matrix


def framed(picture: np.ndarray, matrix: np.ndarray, size: int = SIZE) -> np.ndarray:
    """A picture warped to `(size, size, 3)`; beyond its edge it is reflected."""
    pad = max(picture.shape[:2])
    pad = min(pad - 1, int(np.ceil(pad / 2)))
    padded = cv2.copyMakeBorder(picture, pad, pad, pad, pad, cv2.BORDER_REFLECT)
    shifted = matrix.copy()
    shifted[:, 2] -= matrix[:, :2] @ (pad, pad)
    return warp(padded, shifted, size)


def resized(picture: np.ndarray) -> np.ndarray:
    """A framed picture at 256 pixels."""
    if picture.shape[:2] == (SIZE, SIZE):
        return picture
    shrinks = len(picture) > SIZE
    return cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def read_sources(
    path: Path, years: tuple[int, int], people: int | None, labels: Sequence[str] = ()
) -> Sources:
    """The people of a folder of photographs, or those of an age in a file of framed ones.

    Args:
        path: A folder, or a `.npz` from `agetrans.data.photographs`.
        years: First and last age in years that is taken from such a file; a folder is taken whole.
        people: The first so many; None for all.
        labels: Names of text labels of such a file that are wanted beside the pictures.

    Raises:
        EvaluationError: there are none, or no such labels.
    """
    if path.is_dir():
        if labels:
            raise EvaluationError(f"{path} is a folder of photographs, which have no label {labels[0]}.")
        return _photographs(path, people)
    pictures, ages = _labelled(path)
    chosen = np.flatnonzero((ages >= years[0]) & (ages < years[1] + 1))[:people]
    if not len(chosen):
        raise EvaluationError(f"{path} has no photograph of ages {years[0]} to {years[1]}.")
    try:
        of_chosen = {label: read_text_label(path, label)[chosen] for label in labels}
    except DataError as error:
        raise EvaluationError(str(error)) from None
    return Sources(tuple(f"{i:04d}" for i in chosen), pictures[chosen], labels=of_chosen)


def read_real(path: Path, age_groups: AgeGroups) -> RealPeople:
    """Real people of all groups, from a `.npz` of `agetrans.data.photographs` or a folder `group/file`.

    Raises:
        EvaluationError: a group has nobody.
    """
    if path.is_dir():
        found = [(k, _photographs(folder, None).pictures) for k, folder in group_folders(path, age_groups)]
        parts = [pictures for _, pictures in found] or [np.zeros((0, SIZE, SIZE, 3), np.uint8)]
        real = RealPeople(
            np.concatenate(parts), np.repeat([k for k, _ in found], [len(p) for p in parts][: len(found)])
        )
    else:
        pictures, ages = _labelled(path)
        inside = ages >= age_groups.lower_bounds[0]
        members = np.array([age_groups.index(age) for age in ages[inside]], int)
        real = RealPeople(pictures[inside], members)
    empty = [name for k, name in enumerate(age_groups.names) if not (real.members == k).any()]
    if empty:
        raise EvaluationError(
            f"Real people of every age group are needed to hold results against, and {path} has none of "
            f"{', '.join(empty)}."
        )
    return real


def group_folders(path: Path, age_groups: AgeGroups) -> list[tuple[int, Path]]:
    """The folders named after age groups, such as `20-29`, with the groups' indices."""
    return [(k, path / name) for k, name in enumerate(age_groups.names) if (path / name).is_dir()]


def _labelled(path: Path) -> tuple[np.ndarray, np.ndarray]:
    if not path.exists():
        raise EvaluationError(f"There is no {path}.")
    try:
        photographs = read_framed(path, "age")
    except DataError as error:
        raise EvaluationError(str(error)) from None
    return photographs["pictures"], photographs["age"].astype(np.float64)


def _photographs(folder: Path, people: int | None) -> Sources:
    names: list[str] = []
    pictures: list[np.ndarray] = []
    places: list[tuple[int, int, np.ndarray]] = []
    unusable: list[str] = []
    for path in pictures_in(folder)[:people]:
        try:
            photograph = read_picture(path)
            picture, matrix = frame_photograph(photograph)
        except (PictureError, FaceNotFound) as error:
            unusable.append(f"{path.name}: {error}")
            continue
        names.append(path.stem)
        pictures.append(picture)
        places.append((photograph.shape[0], photograph.shape[1], matrix))
    if not pictures:
        raise EvaluationError(f"There is no usable photograph of a face in {folder}{_first(unusable)}")
    return Sources(tuple(names), np.stack(pictures), tuple(places), tuple(unusable))


def _first(unusable: Sequence[str | os.PathLike[str]]) -> str:
    return f"; {unusable[0]}" if unusable else "."
