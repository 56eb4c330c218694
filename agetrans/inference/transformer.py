"""`AgeTransformer`: a photograph in, frames of the same person at other ages out."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import cv2
import numpy as np

from agetrans.faces import Face, choose_face, face_finder, framing_matrix, paste_back, warp
from agetrans.groups import AgeGroups
from agetrans.inference.compose import AUTHORS_SPAN, compose
from agetrans.inference.plan import AgePlan
from agetrans.inference.stopwatch import Stopwatch
from agetrans.pictures import read_picture
from agetrans.snapshot import load_snapshot

if TYPE_CHECKING:
    from PIL.Image import Image

    from agetrans.models.generator import Generator

Photograph: TypeAlias = "str | os.PathLike[str] | Image | np.ndarray"

CROP_SIZE = 1024
"""Side of a face crop in pixels, unless another is asked for."""
LARGEST_PASTED_CROP = 2048
"""A face that is larger than this in its photograph is changed at this size."""
COMPOSERS = 2
"""Threads that compose frames while the next are decoded."""


@dataclass(frozen=True, eq=False)
class FramedFace:
    """A face cut out of a photograph the way the model wants it.

    Attributes:
        crop: `(size, size, 3)` uint8 RGB.
        box: x, y, width and height of the face in the photograph, pixels.
        transform: `(2, 3)` float64, maps the photograph's pixels to the crop's.
    """

    crop: np.ndarray
    box: tuple[float, float, float, float]
    transform: np.ndarray


@dataclass(frozen=True, eq=False)
class AgeTransformation:
    """A person at several ages.

    Attributes:
        frames: `(N, H, W, 3)` uint8 RGB: the whole photograph, or the face crop, once for each age.
        faces: the faces that were changed; of one, `crop`, `box` and `transform` are its own.
        ages: `(N,)` float64: the age in years of each frame.
        labels: `(N, groups)` float32: what the model was asked for, frame by frame.
    """

    frames: np.ndarray
    faces: tuple[FramedFace, ...]
    ages: np.ndarray
    labels: np.ndarray

    @property
    def crop(self) -> np.ndarray:
        """The (first) face as it was cut out: `(size, size, 3)` uint8 RGB."""
        return self.faces[0].crop

    @property
    def box(self) -> tuple[float, float, float, float]:
        """x, y, width and height of the (first) face in the photograph, pixels."""
        return self.faces[0].box

    @property
    def transform(self) -> np.ndarray:
        """`(2, 3)` float64: maps the photograph's pixels to the (first) crop's."""
        return self.faces[0].transform


class AgeStream:
    """Frames that are made while they are read, in order: memory does not grow with their number.

    Each iteration makes them anew; the faces were found and encoded once.

    Attributes:
        picture: `(H, W, 3)` uint8 RGB: what the frames are the aged versions of, photograph or face crop.
        faces: the faces that are changed.
        plan: the target ages, one a frame.
    """

    def __init__(
        self,
        transformer: AgeTransformer,
        picture: np.ndarray,
        faces: Sequence[FramedFace],
        plan: AgePlan,
        paste: bool,
        seed: int | None,
    ) -> None:
        self.picture = picture
        self.faces = tuple(faces)
        self.plan = plan
        self._transformer = transformer
        self._paste = paste
        self._seed = seed
        self._codes = [transformer.encode(face.crop) for face in self.faces]

    def __len__(self) -> int:
        return len(self.plan)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Frames `(H, W, 3)` uint8 RGB."""
        decoder, composers = ThreadPoolExecutor(1), ThreadPoolExecutor(COMPOSERS)
        decoded = [self._transformer.decode(codes, self.plan.labels, self._seed) for codes in self._codes]
        batches = zip(*decoded, strict=True)
        waiting: deque[Future[np.ndarray]] = deque()
        try:
            upcoming = decoder.submit(next, batches, None)
            while (batch := upcoming.result()) is not None:
                upcoming = decoder.submit(next, batches, None)
                for changes in zip(*batch, strict=True):
                    waiting.append(composers.submit(self._frame, changes))
                    if len(waiting) > COMPOSERS:
                        yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            decoder.shutdown(cancel_futures=True)
            composers.shutdown(cancel_futures=True)

    def _frame(self, changes: Sequence[np.ndarray]) -> np.ndarray:
        with self._transformer.stopwatch.measure("composing"):
            frame = self.picture
            for face, change in zip(self.faces, changes, strict=True):
                aged = self._transformer.compose(face.crop, change)
                if self._paste:
                    aged = paste_back(frame, aged, face.transform, self._transformer.framing)
                frame = aged
            return frame


class AgeTransformer:
    """Shows the person in a photograph at other ages.

    Args:
        generator: a trained model, see `agetrans.models`.
        age_groups: what the columns of its labels stand for.
        framing: how faces are cut out for it, and pictures rounded: "ffhq", or "agetransgan" for the authors' way.
        landmarks: points that faces are found by: 5, or 68, AgeTransGAN's, see `agetrans.faces.face_finder`.
        batch_size: frames decoded at once: more take more memory.
        stopwatch: counts the seconds spent on finding, encoding, decoding and composing.

    Raises:
        LandmarksMissing: 68 landmarks need the extra `landmarks`.
    """

    def __init__(
        self,
        generator: Generator,
        age_groups: AgeGroups,
        *,
        framing: str = "ffhq",
        landmarks: int = 5,
        batch_size: int = 4,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        from agetrans.inference.engine import Engine

        self.generator = generator
        self.age_groups = age_groups
        self.framing = framing
        self.find_faces = face_finder(landmarks, framing)
        self.stopwatch = stopwatch or Stopwatch()
        self._engine = Engine(generator, batch_size)

    @classmethod
    def from_snapshot(
        cls,
        path_or_name: str | os.PathLike[str] = "agetrans_10group",
        *,
        framing: str | None = None,
        precision: str = "float32",
        **options: Any,
    ) -> AgeTransformer:
        """With the model of a snapshot: a folder, or the name of one that ships with AgeTrans.

        Args:
            path_or_name: see `agetrans.load_snapshot`.
            framing: "ffhq" or "agetransgan"; by default the snapshot's.
            precision: "float32" or "bfloat16", see `agetrans.load_snapshot`.
            **options: `landmarks`, `batch_size` and `stopwatch`, see the class.

        Raises:
            SnapshotError: see `agetrans.load_snapshot`.
            LandmarksMissing: see the class.
        """
        snapshot = load_snapshot(path_or_name, precision=precision)
        return cls(snapshot.generator, snapshot.age_groups, framing=framing or snapshot.framing, **options)

    def transform(
        self,
        image: Photograph,
        *,
        ages: Sequence[float] | None = None,
        groups: Sequence[int | str] | None = None,
        steps: int | None = None,
        face: str | int | Sequence[Face] = "largest",
        paste: bool = True,
        size: int | None = None,
        seed: int | None = None,
    ) -> AgeTransformation:
        """All frames at once; `stream` takes the same arguments and holds only a few.

        Args:
            image: a path, a PIL picture, or `(H, W, 3)` uint8 RGB.
            ages: target ages in years; without them the run goes through the groups.
            groups: where the run stops, as indices or names such as "20-29"; all groups by default.
            steps: frames from one stop to the next; 1 by default: the stops alone.
            face: "largest", "all", a number from 0, the largest first, or faces that `find_faces` found.
            paste: frames are the whole photograph with the aged face in it; otherwise the face crop.
            size: side in pixels of the crop that is changed; 1024 by default, or where faces are pasted back what
                the face has in the photograph (at most 2048).
            seed: seeds the model's noise; without it there is none. Either way equal input gives equal output.

        Raises:
            FaceNotFound: no face in the picture, or none of that number.
            PictureError: the picture cannot be read.
            ValueError: ages and groups at once, or a target that the model does not have.
        """
        stream = self.stream(
            image, ages=ages, groups=groups, steps=steps, face=face, paste=paste, size=size, seed=seed
        )
        frames = np.empty((len(stream), *stream.picture.shape), np.uint8)
        for place, frame in zip(frames, stream, strict=True):
            place[:] = frame
        return AgeTransformation(frames, stream.faces, stream.plan.ages, stream.plan.labels)

    def stream(
        self,
        image: Photograph,
        *,
        ages: Sequence[float] | None = None,
        groups: Sequence[int | str] | None = None,
        steps: int | None = None,
        face: str | int | Sequence[Face] = "largest",
        paste: bool = True,
        size: int | None = None,
        seed: int | None = None,
    ) -> AgeStream:
        """The frames of `transform`, made one after the other while they are read."""
        plan = AgePlan.of(self.age_groups, ages, groups, steps)
        picture = as_picture(image)
        with self.stopwatch.measure("finding"):
            chosen = choose_face(self.find_faces(picture), face) if isinstance(face, (str, int)) else face
            if len(chosen) > 1 and not paste:
                raise ValueError(
                    "Crops of several faces do not fit into one run: choose a face by its number."
                )
            faces = [self.frame_face(picture, found, paste, size) for found in chosen]
        return AgeStream(self, picture if paste else faces[0].crop, faces, plan, paste, seed)

    def render(
        self, crop: np.ndarray, labels: np.ndarray, *, seed: int | None = None
    ) -> Iterator[np.ndarray]:
        """Frames of a face that is framed already.

        Args:
            crop: `(S, S, 3)` uint8 RGB, framed as `framing` says, of any size.
            labels: `(N, groups)` float32; rows sum to 1.
            seed: see `transform`.

        Yields:
            `(S, S, 3)` uint8 RGB, one for each label.
        """
        codes = self.encode(crop)
        for changes in self.decode(codes, labels, seed):
            for change in changes:
                with self.stopwatch.measure("composing"):
                    frame = self.compose(crop, change)
                yield frame

    def encode(self, crop: np.ndarray) -> tuple[Any, ...]:
        """The model's codes of a framed face `(S, S, 3)` uint8 RGB, of any size."""
        with self.stopwatch.measure("encoding"):
            side = self.generator.size
            shrinks = len(crop) > side
            interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
            return self._engine.encode(cv2.resize(crop, (side, side), interpolation=interpolation))

    def decode(
        self, codes: tuple[Any, ...], labels: np.ndarray, seed: int | None = None
    ) -> Iterator[np.ndarray]:
        """Batches of changes for `compose`, see `Engine.decode`."""
        batches = self._engine.decode(codes, labels, seed)
        while True:
            with self.stopwatch.measure("decoding"):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch

    def compose(self, crop: np.ndarray, change: np.ndarray) -> np.ndarray:
        """The crop with a change applied, rounded as the framing's program does; see `agetrans.inference.compose`."""
        return compose(crop, change, AUTHORS_SPAN if self.framing == "agetransgan" else 2.0)

    def frame_face(
        self, picture: np.ndarray, face: Face, paste: bool = True, size: int | None = None
    ) -> FramedFace:
        """Cuts a face out of a picture `(H, W, 3)` uint8 RGB; `paste` and `size` as in `transform`."""
        if size is None:
            size = CROP_SIZE
            if paste:
                unit = framing_matrix(face.points, self.framing, 1)
                side = 1 / np.sqrt(abs(np.linalg.det(unit[:, :2])))
                size = int(np.clip(np.ceil(side), self.generator.size, LARGEST_PASTED_CROP))
        matrix = framing_matrix(face.points, self.framing, size)
        return FramedFace(warp(picture, matrix, size, self.framing), face.box, matrix)


def as_picture(image: Photograph) -> np.ndarray:
    """A picture of any accepted kind as `(H, W, 3)` uint8 RGB.

    Raises:
        PictureError: a file that cannot be read.
        ValueError: an array of another shape or type.
    """
    if isinstance(image, np.ndarray):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ValueError(
                f"A picture is an array (height, width, 3) of uint8, RGB. Received: {image.shape} of {image.dtype}"
            )
        return image
    if isinstance(image, (str, os.PathLike)):
        return read_picture(image)
    from PIL import ImageOps

    return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
