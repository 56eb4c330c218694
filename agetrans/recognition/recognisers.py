"""Recognisers behind one interface, the packaged one and our own, and what they read of many pictures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from agetrans.data.labelled import DataError
from agetrans.faces import FaceNotFound, choose_face, find_faces
from agetrans.pictures import decode_picture, read_picture
from agetrans.recognition.protocols import fuse

PACKAGED = "dlib"
"""What `find_recogniser` calls the packaged recogniser."""
FUSIONS = {"one view": None, "added": "add", "concatenated": "concatenate"}
"""Ways to make one embedding of a picture: without its mirror image, or with it, see `fuse`."""
_BATCH = 64
_FRAMED_BOX = (0.18, 0.28, 0.82, 0.92)
"""Face of a framed picture, in shares of its sides: between where the framing `ffhq` and the template have it."""
_LEAST_SIDE = 200
"""The packaged finder sees faces of 80 pixels and more; smaller framed pictures are enlarged to this."""

Track = Callable[[Iterable[Any], str, int], Iterable[Any]]
"""Progress: items, what they are, how many; the items again."""


class PictureRecogniser(ABC):
    """Reads pictures to embeddings.

    Attributes:
        name: What tables call it.
        framed: Whether pictures are framed already; otherwise the largest face is looked for.
    """

    name: str
    framed: bool

    @abstractmethod
    def face(self, picture: np.ndarray) -> Any:
        """What is read of a picture `(H, W, 3)` uint8 RGB.

        Raises:
            FaceNotFound: There is no face in it.
            DataError: It is not framed as the recogniser needs it.
        """

    @abstractmethod
    def embed(self, faces: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
        """Embeddings `(N, D)` of faces, and of their mirror images."""


class PackagedRecogniser(PictureRecogniser):
    """dlib's recognition network, see `agetrans.evaluation.judges.Recogniser`; it cuts its own chips.

    Raises:
        MissingJudgeError: A package of the `bench` extra is missing.
    """

    name = PACKAGED

    def __init__(self, framed: bool = False) -> None:
        from agetrans.evaluation.judges import FaceLocator, Recogniser

        self.framed = framed
        self._locator, self._network = FaceLocator(), Recogniser()

    def face(self, picture: np.ndarray) -> Any:
        """The picture and the place of its face, both as they are and mirrored."""
        if self.framed and min(picture.shape[:2]) < _LEAST_SIDE:
            factor = _LEAST_SIDE / min(picture.shape[:2])
            picture = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
        height, width = picture.shape[:2]
        expected = None
        if self.framed:
            left, top, right, bottom = _FRAMED_BOX
            expected = (left * width, top * height, right * width, bottom * height)
        found = self._locator.locate(picture, expected)
        if found is None:
            raise FaceNotFound("no face was found")
        left, top, right, bottom = found.box
        mirrored = np.ascontiguousarray(picture[:, ::-1])
        place = self._locator.locate(mirrored, (width - 1 - right, top, width - 1 - left, bottom))
        return (picture, found), (mirrored, place)

    def embed(self, faces: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
        plain, mirrored = (
            self._network.embeddings([picture for picture, _ in views], [place for _, place in views])
            for views in zip(*faces, strict=True)
        )
        return plain, mirrored


class TrainedRecogniser(PictureRecogniser):
    """The recogniser of a run of `agetrans train-recognition`, or of a converted checkpoint.

    Raises:
        CommandError: The folder holds none.
    """

    def __init__(self, run: Path, framed: bool = True) -> None:
        from agetrans.startup import start_keras

        start_keras()
        from agetrans.recognition.session import load_recogniser

        self.name, self.framed = run.name, framed
        self._network = load_recogniser(run)

    def face(self, picture: np.ndarray) -> np.ndarray:
        """The face at the network's size, on the template of recognition if it had to be found."""
        from agetrans.recognition.alignment import align
        from agetrans.recognition.data import fit_face

        if not self.framed:
            face = choose_face(find_faces(picture), "largest")[0]
            picture = align(picture, face.points, self._network.size[0])
        return fit_face(picture, self._network.size)

    def embed(self, faces: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
        from keras import ops

        from agetrans.training.trainer import to_floats

        pictures = np.stack(faces)
        plain, mirrored = (
            ops.convert_to_numpy(self._network(to_floats(view), training=False)).astype(np.float32)
            for view in (pictures, pictures[:, :, ::-1].copy())
        )
        return plain, mirrored


def find_recogniser(name: str, framed: bool | None = None) -> PictureRecogniser:
    """A recogniser by name.

    Args:
        name: `PACKAGED`, or the folder of a run.
        framed: Whether pictures are framed; by default ours expects that and the packaged one does not.

    Raises:
        CommandError: There is no such run.
        MissingJudgeError: The packaged one is not installed.
    """
    if name == PACKAGED:
        return PackagedRecogniser(bool(framed))
    return TrainedRecogniser(Path(name), framed is not False)


@dataclass(frozen=True)
class Views:
    """Embeddings of pictures.

    Attributes:
        plain: `(N, D)`; NaN where a picture cannot be used.
        mirrored: `(N, D)`, of the mirror images.
        unused: Names of those that cannot be used, each with the reason.
    """

    plain: np.ndarray
    mirrored: np.ndarray
    unused: list[tuple[str, str]]

    @property
    def usable(self) -> np.ndarray:
        """Whether each picture can be used: `(N,)` bool."""
        return np.isfinite(self.plain).all(axis=1)

    def fused(self, fusion: str) -> np.ndarray:
        """One embedding a picture, `(N, D)` or `(N, 2 D)` of length 1; see `FUSIONS`."""
        how = FUSIONS[fusion]
        return fuse(self.plain, self.plain, "add") if how is None else fuse(self.plain, self.mirrored, how)


def read_views(
    recogniser: PictureRecogniser, pictures: Sequence[Path | tuple[str, bytes]], track: Track | None = None
) -> Views:
    """Embeddings of pictures and of their mirror images, 64 pictures at a time.

    Args:
        recogniser: Who reads.
        pictures: Files, or names and contents of files.
        track: Shows progress.

    Raises:
        DataError: No picture can be used.
    """
    starts: Iterable[int] = range(0, len(pictures), _BATCH)
    if track is not None:
        starts = track(starts, "Reading", -(-len(pictures) // _BATCH))
    unused: list[tuple[str, str]] = []
    rows: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for start in starts:
        faces: dict[int, Any] = {}
        for number in range(start, min(start + _BATCH, len(pictures))):
            source = pictures[number]
            name = source[0] if isinstance(source, tuple) else str(source)
            try:
                picture = (
                    decode_picture(source[1], name) if isinstance(source, tuple) else read_picture(source)
                )
                faces[number] = recogniser.face(picture)
            except ValueError as error:  # no picture, no face, points that fix no frame: each says which
                unused.append((name, str(error)))
        if faces:
            plain, mirrored = recogniser.embed(list(faces.values()))
            rows |= {number: (a, b) for number, a, b in zip(faces, plain, mirrored, strict=True)}
    if not rows:
        first = f", the first because {unused[0][1]}" if unused else ""
        raise DataError(f"None of {len(pictures)} pictures can be used{first}")
    missing = np.full_like(next(iter(rows.values()))[0], np.nan)
    plain, mirrored = (
        np.stack([rows[n][view] if n in rows else missing for n in range(len(pictures))]) for view in (0, 1)
    )
    return Views(plain, mirrored, unused)
