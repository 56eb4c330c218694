"""What is evaluated: a snapshot, a folder of any method's pictures, and two controls that a good protocol fails."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

import numpy as np

from agetrans.evaluation.errors import EvaluationError
from agetrans.evaluation.people import (
    RealPeople,
    Sources,
    frame_photograph,
    framed,
    group_folders,
    resized,
)
from agetrans.faces import FaceNotFound
from agetrans.groups import AgeGroups
from agetrans.inference import AgeTransformer
from agetrans.pictures import PictureError, pictures_in, read_picture

Outputs = list["np.ndarray | None"]
"""One person at all age groups: `(256, 256, 3)` uint8 RGB framed "ffhq", or None where there is no picture."""


class Method(Protocol):
    """Makes pictures of the sources at all ages."""

    name: str
    age_groups: AgeGroups

    def outputs(self, index: int) -> Outputs:
        """The source of that index at every group."""


class SnapshotMethod:
    """A snapshot of AgeTrans.

    Args:
        path_or_name: see `agetrans.load_snapshot`.
        sources: the people.

    Attributes:
        transformer: the model; its stopwatch knows how long encoding and decoding took.
    """

    def __init__(self, path_or_name: str | os.PathLike[str], sources: Sources) -> None:
        self.transformer = AgeTransformer.from_snapshot(path_or_name, batch_size=10)
        self.name = Path(path_or_name).name
        self.age_groups = self.transformer.age_groups
        self._sources = sources

    def outputs(self, index: int) -> Outputs:
        return self._frames(index, np.eye(self.age_groups.count, dtype=np.float32))

    def run(self, index: int, steps: int = 10) -> Outputs:
        """The frames of a run through all groups: 91 of ten groups."""
        return self._frames(index, self.age_groups.sequence(steps))

    def _frames(self, index: int, labels: np.ndarray) -> Outputs:
        picture = self._sources.pictures[index]
        if self.transformer.framing == "ffhq":
            return list(self.transformer.render(picture, labels))
        steps = (len(labels) - 1) // (self.age_groups.count - 1)
        try:
            return list(self.transformer.stream(picture, steps=steps, paste=True))
        except FaceNotFound:
            return [None] * len(labels)


class FolderMethod:
    """Pictures that some method made: `group/file`, groups named as in `AgeGroups.names`, files as the sources.

    A picture of the shape of its source photograph is cut out where the source was; a square one of framed sources is
    taken as it is; in any other the face is looked for.

    Args:
        folder: the pictures.
        sources: the people.

    Raises:
        EvaluationError: no folder of it is named after an age group, or none of the sources is in it.
    """

    def __init__(self, folder: Path, sources: Sources) -> None:
        self.name = folder.name
        self._sources = sources
        for count in (10, 4):
            self.age_groups = AgeGroups.of(count)
            folders = group_folders(folder, self.age_groups)
            if folders:
                break
        else:
            raise EvaluationError(
                f"{folder} has no folder that is named after an age group: pictures are expected as group/file, the "
                f"groups being {', '.join(AgeGroups.of(10).names)} or {', '.join(AgeGroups.of(4).names)}."
            )
        self._files = {k: {path.stem: path for path in pictures_in(group)} for k, group in folders}
        if not any(name in files for files in self._files.values() for name in sources.names):
            raise EvaluationError(
                f"No picture in {folder} has the name of a source: the first source is {sources.names[0]!r}."
            )
        self.unusable: list[str] = []

    def outputs(self, index: int) -> Outputs:
        name = self._sources.names[index]
        return [self._picture(self._files.get(k, {}).get(name), index) for k in range(self.age_groups.count)]

    def _picture(self, path: Path | None, index: int) -> np.ndarray | None:
        if path is None:
            return None
        try:
            picture = read_picture(path)
            height, width = picture.shape[:2]
            if self._sources.places is None:
                return resized(picture) if height == width else frame_photograph(picture)[0]
            source_height, source_width, matrix = self._sources.places[index]
            if (height, width) == (source_height, source_width):
                return framed(picture, matrix)
            return frame_photograph(picture)[0]
        except (PictureError, FaceNotFound) as error:
            self.unusable.append(f"{path}: {error}")
            return None


class CopyControl:
    """Output = input: perfect identity and no ageing. A good protocol fails it on age."""

    name = "control: the input itself"

    def __init__(self, sources: Sources, age_groups: AgeGroups) -> None:
        self.age_groups = age_groups
        self._sources = sources

    def outputs(self, index: int) -> Outputs:
        return [self._sources.pictures[index]] * self.age_groups.count


class StrangerControl:
    """Output = another real person of the target group: perfect ages. A good protocol fails it on identity."""

    name = "control: another person of the target age"

    def __init__(self, sources: Sources, real: RealPeople, age_groups: AgeGroups, seed: int = 0) -> None:
        self.age_groups = age_groups
        self._real = real
        random = np.random.default_rng(seed)
        self._chosen = np.stack(
            [
                [self._stranger(picture, k, random) for k in range(age_groups.count)]
                for picture in sources.pictures
            ]
        )

    def _stranger(self, picture: np.ndarray, group: int, random: np.random.Generator) -> int:
        members = np.flatnonzero(self._real.members == group)
        others = [i for i in members if not np.array_equal(self._real.pictures[i], picture)]
        if not others:
            raise EvaluationError(
                f"Nobody else of group {self.age_groups.names[group]} is there to compare with."
            )
        return int(random.choice(others))

    def outputs(self, index: int) -> Outputs:
        return [self._real.pictures[i] for i in self._chosen[index]]
