"""Re-ageing while the camera runs: at the core size, frame after frame, steady and without looking ahead."""

from __future__ import annotations

from typing import Any

import numpy as np

from agetrans.faces import Face, paste_back
from agetrans.faces.tracking import FaceTracker, OneEuro
from agetrans.inference.transformer import AgeTransformer

CODE_SHARE = 0.4
"""What a new frame adds to the smoothed codes; the rest is what they were."""


class LiveAger:
    """Ages the largest face of frames that come one after the other.

    Args:
        transformer: the model, with a batch size of 1.
        smooth: without it every frame is done as if it were alone; to compare.
    """

    def __init__(self, transformer: AgeTransformer, smooth: bool = True) -> None:
        self._transformer, self._smooth = transformer, smooth
        self._tracker = FaceTracker(every=30, side=320)
        self._number: int | None = None
        self._filter = OneEuro()
        self._codes: tuple[Any, ...] | None = None

    def age(self, picture: np.ndarray, years: float, seconds: float = 1 / 15) -> np.ndarray:
        """The frame with its largest face at another age; the frame itself where there is none.

        Args:
            picture: `(H, W, 3)` uint8 RGB.
            years: the target age.
            seconds: since the frame before.
        """
        tracked = self._tracker.update(picture)
        if not tracked:
            self._number = None
            return picture
        known = [each for each in tracked if each.number == self._number]
        chosen = known[0] if known else tracked[0]
        if chosen.number != self._number:
            self._number, self._filter, self._codes = chosen.number, OneEuro(), None
        face = chosen.face
        if self._smooth:
            face = Face(face.box, self._filter.update(face.points, face.box[2], seconds), face.score)
        transformer = self._transformer
        framed = transformer.frame_face(picture, face, size=transformer.generator.size)
        codes = transformer.encode(framed.crop)
        if self._smooth and self._codes is not None:
            codes = tuple(old + CODE_SHARE * (new - old) for old, new in zip(self._codes, codes, strict=True))
        self._codes = codes
        labels = transformer.age_groups.soft_label([years])
        change = next(transformer.decode(codes, labels))[0]
        aged = transformer.compose(framed.crop, change)
        return paste_back(picture, aged, framed.transform, transformer.framing)
