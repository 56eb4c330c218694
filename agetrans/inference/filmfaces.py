"""The first pass over a film: where its faces are in every frame.

What is found is kept in parts, each whole or not at all, so that a search that was cut off goes on. A path that is
known whole is then smoothed without lag.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agetrans.faces import Face, FaceNotFound
from agetrans.faces.face import SMALLEST_WIDTH
from agetrans.faces.tracking import (
    SMALLEST_SHARE,
    FaceTracker,
    Tracked,
    TrackerState,
    choose_tracks,
    smooth_in_time,
)
from agetrans.files import write_text
from agetrans.inference.filmsource import read_frames
from agetrans.inference.sequence import Track

PART = 600
"""Frames of a part: what is lost at most when a search is cut off."""
STEADINESS = 2.5
"""Frames over which the points of a face are smoothed (sigma)."""


@dataclass(frozen=True)
class FacePaths:
    """Where the chosen faces are in a film.

    Attributes:
        times: of the frames, in units of the time base.
        faces: for each frame the number of each track that is seen in it, and its smoothed points `(5, 2)`.
    """

    times: list[int]
    faces: list[dict[int, np.ndarray]]


@dataclass(frozen=True)
class _Part:
    """What was found in some frames, and how the tracker goes on."""

    times: list[int]
    seen: list[list[Tracked]]
    state: TrackerState
    is_last: bool


def find_paths(
    source: Path, stamp: list[Any], folder: Path, which: str, smooth: bool, count: int, track: Track
) -> FacePaths:
    """Follows the faces through a film.

    Args:
        source: the film.
        stamp: tells it from others of the same name.
        folder: where the parts are kept.
        which: "largest", "all", or a number, see `choose_tracks`.
        smooth: whether points are smoothed over time.
        count: of frames, for the progress.
        track: shows progress.

    Raises:
        FilmError: the film cannot be read.
        FaceNotFound: no face in any frame, or none of that number.
    """
    parts = _parts(source, stamp, folder, count, track)
    seen: dict[int, dict[int, Face]] = {}
    for index, frame in enumerate(itertools.chain.from_iterable(part.seen for part in parts)):
        for tracked in frame:
            seen.setdefault(tracked.number, {})[index] = tracked.face
    if not seen:
        raise FaceNotFound(
            f"No face was found in {source}. Try a film where a face is upright, looks roughly into the camera, and is "
            f"at least {SMALLEST_WIDTH} pixels and 1/{SMALLEST_SHARE} of the frame's longer side wide."
        )
    tracks = list(seen.values())
    chosen = choose_tracks([{i: face.area for i, face in frames.items()} for frames in tracks], which)
    if not chosen:
        raise FaceNotFound(f"Face {which} was asked for, and fewer faces are seen at once in {source}.")
    times = [time for part in parts for time in part.times]
    faces: list[dict[int, np.ndarray]] = [{} for _ in times]
    for number in sorted(chosen):
        frames = tracks[number]
        points = np.stack([face.points for face in frames.values()])
        places = smooth_in_time(points, STEADINESS) if smooth else points
        for index, place in zip(frames, places, strict=True):
            faces[index][number] = place
    return FacePaths(times, faces)


def _parts(source: Path, stamp: list[Any], folder: Path, count: int, track: Track) -> list[_Part]:
    """The parts of an earlier search, and those that are found now."""
    parts: list[_Part] = []
    while (known := _read(_file(folder, len(parts)), stamp)) is not None:
        parts.append(known)
        if known.is_last:
            return parts
    tracker = FaceTracker(state=parts[-1].state if parts else None)
    frames = iter(track(read_frames(source), "Finding faces", count))
    done = sum(len(part.times) for part in parts)
    next(itertools.islice(frames, done, done), None)  # skips what was looked at
    while not (parts and parts[-1].is_last):
        times, seen = [], []
        for time, picture in itertools.islice(frames, PART):
            times.append(time)
            seen.append(tracker.update(picture))
        part = _Part(times, seen, tracker.state, len(times) < PART)
        _write(_file(folder, len(parts)), stamp, part)
        parts.append(part)
    return parts


def _file(folder: Path, number: int) -> Path:
    return folder / f"part-{number:05}.json"


def _write(file: Path, stamp: list[Any], part: _Part) -> None:
    state = part.state
    content = {
        "stamp": stamp,
        "times": part.times,
        "seen": [[_packed(tracked) for tracked in frame] for frame in part.seen],
        "state": [[_packed(tracked) for tracked in state.known], state.since_search, state.numbers],
        "is_last": part.is_last,
    }
    write_text(file, json.dumps(content))


def _read(file: Path, stamp: list[Any]) -> _Part | None:
    if not file.exists():
        return None
    content = json.loads(file.read_text(encoding="utf-8"))
    if content["stamp"] != stamp:
        return None
    seen = [[_unpacked(tracked) for tracked in frame] for frame in content["seen"]]
    known, since_search, numbers = content["state"]
    state = TrackerState([_unpacked(tracked) for tracked in known], since_search, numbers)
    return _Part(content["times"], seen, state, content["is_last"])


def _packed(tracked: Tracked) -> list[Any]:
    face = tracked.face
    return [tracked.number, [float(side) for side in face.box], face.points.tolist(), float(face.score)]


def _unpacked(packed: list[Any]) -> Tracked:
    number, box, points, score = packed
    return Tracked(number, Face(tuple(box), np.array(points), score))
