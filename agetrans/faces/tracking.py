"""Faces through the frames of a film or a camera: who is who, and steady points."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from agetrans.faces.face import Face
from agetrans.faces.finder import at_most, find_faces, follow_faces

Points = npt.NDArray[np.float64]
SEARCHED_SIDE = 480
"""Longest side in pixels of the copies of a film's frames that are searched."""
SMALLEST_SHARE = 20
"""A face of a film must be 1 / this of the frame's longer side wide to be found in them."""
SAME_FACE = 0.3
"""Boxes that share more of their union than this are of one face."""


@dataclasses.dataclass(frozen=True, eq=False)
class Tracked:
    """A face in a frame.

    Attributes:
        number: The same for one face as long as it is seen without a break.
        face: Where it is.
    """

    number: int
    face: Face


@dataclasses.dataclass(frozen=True, eq=False)
class TrackerState:
    """What a tracker knows between two frames.

    Attributes:
        known: The faces of the last frame.
        since_search: Frames since the whole picture was searched.
        numbers: How many faces have got one.
    """

    known: list[Tracked]
    since_search: int
    numbers: int


class FaceTracker:
    """Follows the faces of frames that come one after the other.

    Args:
        every: Frames from one search of the whole picture to the next, a quarter of them while nobody is seen; between
            them faces are only followed. A face that is lost starts a search at once.
        side: The search looks at a picture of at most this many pixels a side.
        state: Of a tracker that has seen the frames before; none have been seen by default.
    """

    def __init__(self, every: int = 12, side: int = SEARCHED_SIDE, state: TrackerState | None = None) -> None:
        self._every, self._side = every, side
        state = state or TrackerState([], every, 0)
        self._known, self._since_search, self._numbers = state.known, state.since_search, state.numbers

    @property
    def state(self) -> TrackerState:
        """What another tracker needs to go on after the last frame."""
        return TrackerState(self._known, self._since_search, self._numbers)

    def update(self, picture: npt.NDArray[np.uint8]) -> list[Tracked]:
        """The faces of the next frame `(H, W, 3)` uint8 RGB, the largest first."""
        followed = follow_faces(picture, [tracked.face for tracked in self._known])
        seen = [
            Tracked(tracked.number, face)
            for tracked, face in zip(self._known, followed, strict=True)
            if face is not None and overlap(face, tracked.face) > SAME_FACE
        ]
        self._since_search += 1
        patience = self._every if seen else max(1, self._every // 4)
        if len(seen) < len(self._known) or self._since_search >= patience:
            seen = self._search(picture, seen)
        self._known = sorted(seen, key=lambda tracked: -tracked.face.area)
        return self._known

    def _search(self, picture: npt.NDArray[np.uint8], seen: list[Tracked]) -> list[Tracked]:
        self._since_search = 0
        small = at_most(picture, self._side)
        back = picture.shape[1] / small.shape[1], picture.shape[0] / small.shape[0]
        found = [face.scaled(*back) for face in find_faces(small)]
        # Followed faces keep their points: those of the small picture are coarser and would jump.
        kept = [tracked for tracked in seen if any(overlap(tracked.face, face) > SAME_FACE for face in found)]
        for face in found:
            if not any(overlap(tracked.face, face) > SAME_FACE for tracked in kept):
                precise = follow_faces(picture, [face])[0] or face
                kept.append(Tracked(self._numbers, precise))
                self._numbers += 1
        return kept


class OneEuro:
    """Casiez, Roussel, Vogel, "1 Euro Filter", CHI 2012: steady where points rest, prompt where they move.

    Args:
        cutoff: Hz, of points that rest: lower is steadier.
        beta: how much the cutoff grows with the speed, in 1 / (face widths per second).
    """

    def __init__(self, cutoff: float = 1.0, beta: float = 8.0) -> None:
        self._cutoff, self._beta = cutoff, beta
        self._points: Points | None = None
        self._speed: Points | float = 0.0

    def update(self, points: Points, width: float, seconds: float) -> Points:
        """Smoothed points.

        Args:
            points: `(5, 2)`, pixels.
            width: of the face, pixels.
            seconds: since the frame before.
        """
        if self._points is None:
            self._points = points
            return points
        speed = (points - self._points) / (width * seconds)
        self._speed = self._speed + _share(1.0, seconds) * (speed - self._speed)
        # One cutoff for all points, so that the frame turns and grows as a whole.
        pace = float(np.linalg.norm(np.mean(self._speed, axis=0)))
        self._points = self._points + _share(self._cutoff + self._beta * pace, seconds) * (
            points - self._points
        )
        return self._points


def _share(cutoff: float, seconds: float) -> float:
    return 1 / (1 + 1 / (2 * math.pi * cutoff * seconds))


def smooth_in_time(points: Points, sigma: float) -> Points:
    """Smooths a whole track, looking back and ahead, so that nothing lags.

    Args:
        points: `(frames, 5, 2)`.
        sigma: of the Gaussian, frames; at the ends it sees less.

    Returns:
        Of the same shape.
    """
    reach = math.ceil(3 * sigma)
    frames = np.arange(len(points))
    smooth = np.empty_like(points)
    for frame in frames:
        near = slice(max(0, frame - reach), frame + reach + 1)
        # Symmetric at the ends, too, or the path would be shortened there.
        room = min(reach, int(frame), len(points) - 1 - int(frame))
        weights = np.exp(-0.5 * ((frames[near] - frame) / sigma) ** 2) * (abs(frames[near] - frame) <= room)
        smooth[frame] = np.tensordot(weights / weights.sum(), points[near], axes=1)
    return smooth


def overlap(one: Face, other: Face) -> float:
    """Shared area over the area of the union of two boxes."""
    low = np.maximum(one.box[:2], other.box[:2])
    high = np.minimum(np.add(one.box[:2], one.box[2:]), np.add(other.box[:2], other.box[2:]))
    shared = float(np.prod(np.maximum(high - low, 0)))
    return shared / (one.area + other.area - shared)


def choose_tracks(areas: Sequence[dict[int, float]], which: str) -> set[int]:
    """Which tracks of a whole film are meant.

    Args:
        areas: For each track the face's area in every frame that it is seen in.
        which: "all", "largest", or a number from 0: of those seen at one time, the largest over the whole film first.

    Returns:
        Indices of tracks. Tracks that follow each other in time, after a cut or a moment unseen, count together.
    """
    if which == "all":
        return set(range(len(areas)))
    left = sorted(range(len(areas)), key=lambda track: -sum(areas[track].values()))
    chosen: set[int] = set()
    for _ in range(1 if which == "largest" else int(which) + 1):
        chosen = set()
        taken: set[int] = set()
        for track in list(left):
            if not taken & areas[track].keys():
                chosen.add(track)
                taken |= areas[track].keys()
        left = [track for track in left if track not in chosen]
    return chosen
