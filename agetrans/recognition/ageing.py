"""Faces at other ages, as MTLFace paints them: a run of `--train_fas`, or its released package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from keras import ops

from agetrans.recognition.released import ReleasedSynthesis
from agetrans.recognition.session import load_recogniser, load_synthesis
from agetrans.recognition.settings import read_settings


class FaceAgeing:
    """A recogniser and the network that paints on top of it.

    Args:
        run: Folder of a run of `--train_fas`, or of a converted checkpoint of the released package.

    Attributes:
        size: Height and width of the faces.
        groups: Number of age groups.

    Call arguments:
        faces: `(B, H, W, 3)` float32 in [-1, 1], RGB, framed as the run was trained.
        group: The age group, 0 to groups - 1, of all rows; `agetrans.recognition.ages.CUTS` has their borders.

    Returns:
        The same people in that group, `(B, H, W, 3)` float32 in [-1, 1].

    Raises:
        CommandError: The folder holds no such network.
        DataError: It is no run.
        ValueError: There is no such group, or the faces are of another size.
    """

    def __init__(self, run: Path) -> None:
        self._synthesis = load_synthesis(run)
        self._recogniser = load_recogniser(run)
        settings = read_settings(run)
        self.size, self.groups = settings.size, settings.groups

    def __call__(self, faces: Any, group: int) -> Any:
        if not 0 <= group < self.groups:
            raise ValueError(f"Groups are 0 to {self.groups - 1}. Received: group={group}")
        faces = ops.convert_to_tensor(faces, "float32")
        identity, _, maps = self._recogniser.parts(faces)
        if isinstance(self._synthesis, ReleasedSynthesis):
            return self._synthesis(identity, maps, group=group)
        label = ops.one_hot(ops.full((faces.shape[0],), group, dtype="int32"), self.groups, dtype="float32")
        return self._synthesis(faces, identity, maps, label)
