"""Batches for recognition: every picture once a pass, each batch a function of its number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from agetrans.data.labelled import DataError, Photograph
from agetrans.data.prefetch import prefetch
from agetrans.pictures import read_picture
from agetrans.recognition.ages import CUTS
from agetrans.recognition.settings import RecognitionSettings


@dataclass(frozen=True)
class FaceSet:
    """Pictures of people, numbered.

    Attributes:
        paths: Of the pictures.
        identity: `(N,)` int32, 0 to the number of people - 1, whatever they are called.
        years: `(N,)` float32; NaN where nobody knows.
        people: Their names, by number.
    """

    paths: tuple[Path, ...]
    identity: np.ndarray
    years: np.ndarray
    people: tuple[str, ...]

    @classmethod
    def of(cls, photographs: Sequence[Photograph]) -> FaceSet:
        """Numbers the people of photographs in the order of their names.

        Raises:
            DataError: A photograph has no identity, or there are fewer than two people.
        """
        unknown = [photograph.path for photograph in photographs if photograph.identity is None]
        if unknown:
            raise DataError(f"Nothing says who {unknown[0]} shows, and recognition needs to know.")
        names = [str(photograph.identity) for photograph in photographs]
        people, identity = np.unique(names, return_inverse=True)
        if len(people) < 2:
            raise DataError(f"Recognition needs two people at least, and there is {len(people)}.")
        years = np.array([photograph.years for photograph in photographs], np.float32)
        paths = tuple(photograph.path for photograph in photographs)
        return cls(paths, identity.astype(np.int32), years, tuple(str(name) for name in people))


@dataclass(frozen=True)
class RecognitionBatches:
    """Makes batch number n from n and the seed alone.

    Every pass over the data takes each picture once, whatever the batch: a batch may hold the end of one pass and the
    start of the next.

    Attributes:
        faces: The pictures.
        settings: Size, batch, age groups, and whether synthesis wants target faces.
        seed: Of the run.
        share: Which of how many equal shares of a batch is made.

    Raises:
        DataError: Synthesis wants an age group that no picture has.
    """

    faces: FaceSet
    settings: RecognitionSettings
    seed: int = 0
    share: tuple[int, int] = (0, 1)

    def __post_init__(self) -> None:
        empty = [number for number, rows in enumerate(self.members) if not len(rows)]
        if self.settings.synthesise and empty:
            borders = ("0", *(f"{cut + 1}" for cut in CUTS[self.settings.groups]))
            raise DataError(
                f"There is no picture of the age groups that begin at {', '.join(borders[n] for n in empty)} years: "
                "synthesis needs some of each, so add some or choose other --groups."
            )

    @cached_property
    def members(self) -> list[np.ndarray]:
        """Places of the pictures of each age group."""
        groups = (self.faces.years[:, None] > np.asarray(CUTS[self.settings.groups])).sum(axis=1)
        return [np.flatnonzero(groups == group) for group in range(self.settings.groups)]

    def rows(self, number: int) -> np.ndarray:
        """Places of a batch's pictures: `(B,)`."""
        count, batch = len(self.faces.paths), self.settings.batch
        places = np.arange(number * batch, (number + 1) * batch)
        passes = places // count
        orders = {n: np.random.default_rng([self.seed, n]).permutation(count) for n in np.unique(passes)}
        return np.array([orders[n][place % count] for n, place in zip(passes, places, strict=True)])

    def make(self, number: int) -> dict[str, np.ndarray]:
        """A batch, see `RecognitionTrainer`."""
        random = np.random.default_rng([self.seed, 1, number])
        rows, mirrored = self.rows(number), random.random(self.settings.batch) < 0.5
        groups = random.integers(self.settings.groups, size=self.settings.batch)
        draws = random.random(self.settings.batch)
        part = np.array_split(np.arange(self.settings.batch), self.share[1])[self.share[0]]
        batch = {
            "image": np.stack([self._picture(rows[n], bool(mirrored[n])) for n in part]),
            "identity": self.faces.identity[rows[part]],
            "years": self.faces.years[rows[part]],
        }
        if self.settings.synthesise:
            targets = [
                members[int(draw * len(members))]
                for members, draw in ((self.members[groups[n]], draws[n]) for n in part)
            ]
            batch["target_image"] = np.stack([self._picture(row, False) for row in targets])
            batch["target_group"] = groups[part].astype(np.int32)
        return batch

    def stream(self, first: int, threads: int = 2) -> Iterator[dict[str, np.ndarray]]:
        """Batches from a number on, made ahead of their use."""
        return prefetch(self.make, first, threads)

    def _picture(self, row: int, mirrored: bool) -> np.ndarray:
        picture = read_face(self.faces.paths[row], self.settings.size)
        return picture[:, ::-1] if mirrored else picture


def read_face(path: Path, size: tuple[int, int]) -> np.ndarray:
    """A framed face of a file at a recogniser's size, see `fit_face`.

    Raises:
        DataError: The picture is of another shape.
        PictureError: It cannot be read.
    """
    try:
        return fit_face(read_picture(path), size)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def fit_face(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A framed face at a recogniser's size: `(H, W, 3)` uint8 RGB.

    A square picture for a narrower recogniser loses both sides alike, as the 112 x 96 template lies in the 112 x 112
    one. Nothing is stretched.

    Args:
        picture: `(h, w, 3)` uint8 RGB.
        size: H and W.

    Raises:
        DataError: The picture is of another shape.
    """
    height, width = picture.shape[:2]
    if height == width and size[0] > size[1]:
        cut = round(width * (size[0] - size[1]) / (2 * size[0]))
        picture = picture[:, cut : width - cut]
        width = picture.shape[1]
    if abs(width / height - size[1] / size[0]) > 0.02:
        raise DataError(
            f"the picture has {height} x {width} pixels (height x width), and a recogniser of {size[0]} x {size[1]} "
            "needs that shape: frame the faces first."
        )
    if (height, width) == size:
        return picture
    shrinks = height > size[0]
    return cv2.resize(
        picture, (size[1], size[0]), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )
