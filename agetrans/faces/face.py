"""What a found face is, and choosing among several."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

SMALLEST_WIDTH = 40
"""Width in pixels from which on a face is found and comes out well."""
SMALLEST_SHARE = 80
"""Larger pictures are searched in a smaller copy: there a face must be 1 / this of their longer side wide, too."""

NO_FACE = (
    "No face was found in this picture. Try one where a face is upright, looks roughly into the camera, is not "
    f"covered, and is at least {SMALLEST_WIDTH} pixels and 1/{SMALLEST_SHARE} of the picture's longer side wide."
)


class FaceNotFound(ValueError):
    """No face in the picture, or not the one that was asked for. The message says what to try."""


@dataclasses.dataclass(frozen=True, eq=False)
class Face:
    """One face in a picture. A pixel's centre has integer coordinates; x goes right, y goes down.

    Attributes:
        box: x, y, width and height of the face in pixels; may reach beyond the picture.
        points: `(5, 2)` float64: eye, eye, nose tip, mouth corner, mouth corner, each pair in the order seen in
            the picture, left first.
        score: How sure the finder is, in [0, 1].
    """

    box: tuple[float, float, float, float]
    points: npt.NDArray[np.float64]
    score: float

    @property
    def area(self) -> float:
        """Box area in square pixels."""
        return self.box[2] * self.box[3]

    def scaled(self, across: float, down: float) -> Face:
        """The same face where its picture has been resized by these factors."""
        factors = np.array([across, down])
        x, y = (np.array(self.box[:2]) + 0.5) * factors - 0.5
        box = (float(x), float(y), self.box[2] * across, self.box[3] * down)
        return Face(box, (self.points + 0.5) * factors - 0.5, self.score)


def choose_face(faces: Sequence[Face], which: str | int = "largest") -> list[Face]:
    """Picks the faces that the user asked for.

    Args:
        faces: Faces, largest first, as `find_faces` returns them.
        which: "largest", "all", or an index from 0 (the largest) upwards; digits as text are an index as well.

    Returns:
        The chosen faces: one, or with "all" every one, in the order of `faces`.

    Raises:
        FaceNotFound: `faces` is empty or has no face of that index.
        ValueError: `which` is none of the above.
    """
    if not (which in ("largest", "all") or isinstance(which, int) or which.isdecimal()):
        raise ValueError(f"Which face? Say 'largest', 'all' or a number from 0 upwards. Received: {which!r}")
    if not faces:
        raise FaceNotFound(NO_FACE)
    if which == "all":
        return list(faces)
    index = 0 if which == "largest" else int(which)
    if not 0 <= index < len(faces):
        plural = "face was" if len(faces) == 1 else "faces were"
        raise FaceNotFound(
            f"Face {index} was asked for, but {len(faces)} {plural} found: choose 0"
            + (f" to {len(faces) - 1}, the largest first." if len(faces) > 1 else ".")
        )
    return [faces[index]]
