"""A trained recogniser as a frozen part of a generator's training: framed faces to embeddings, differentiable."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from agetrans.data.labelled import DataError


def axis_weights(side: int, target: int) -> np.ndarray:
    """One axis of a resize as a matrix: averages over areas where it shrinks, else linear between pixel centres.

    Args:
        side: Pixels that there are.
        target: Pixels that are wanted.

    Returns:
        `(target, side)` float32, rows sum to 1: what OpenCV's INTER_AREA and INTER_LINEAR weigh.
    """
    places, scale = np.arange(target), side / target
    if scale > 1:
        starts, ends = places[:, None] * scale, (places[:, None] + 1) * scale
        pixels = np.arange(side)
        weights = np.clip(np.minimum(ends, pixels + 1) - np.maximum(starts, pixels), 0, None) / scale
        return weights.astype(np.float32)
    centres = np.clip((places + 0.5) * scale - 0.5, 0, side - 1)
    return np.clip(1 - np.abs(centres[:, None] - np.arange(side)), 0, 1).astype(np.float32)


class FittedFace(layers.Layer):
    """`agetrans.recognition.data.fit_face` on tensors: a square framed face at a recogniser's size.

    Args:
        side: Of the faces.
        size: Height and width that the recogniser takes.

    Call arguments:
        picture: `(B, side, side, 3)` float32.

    Returns:
        `(B, height, width, 3)` float32.

    Raises:
        DataError: The recogniser takes faces that are wider than high.
    """

    def __init__(self, side: int, size: tuple[int, int]) -> None:
        super().__init__(dtype="float32", trainable=False)
        height, width = size
        if width > height:
            raise DataError(
                f"--recogniser: it takes pictures of {height} x {width} (height x width), and faces here are square."
            )
        cut = round(side * (height - width) / (2 * height))
        self.rows = axis_weights(side, height)
        self.columns = np.pad(axis_weights(side - 2 * cut, width), ((0, 0), (cut, cut)))

    def call(self, picture: Any) -> Any:
        return ops.einsum("hi,bijc,wj->bhwc", self.rows, picture, self.columns)


def face_reader(recogniser: Any, side: int) -> keras.Model:
    """A recogniser that takes framed faces of any side.

    Args:
        recogniser: Of `agetrans.recognition.session.load_recogniser`.
        side: Of the faces.

    Returns:
        A model from `(B, side, side, 3)` in [-1, 1] to embeddings `(B, features)`, not normalised.

    Raises:
        DataError: The recogniser takes faces that are wider than high.
    """
    picture = keras.Input((side, side, 3))
    return keras.Model(picture, recogniser(FittedFace(side, recogniser.size)(picture), training=False))
