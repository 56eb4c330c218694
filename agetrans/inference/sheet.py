"""The contact sheet: the input and every age that was asked for, side by side, with their names."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from agetrans.inference.lettering import title

CELL_WIDTH = 320
GAP = 8
FRAME = 6
MOST_IN_ONE_ROW = 6
PAPER = (255, 255, 255)
INK = (32, 32, 32)
INPUT_COLOUR = (208, 84, 0)


def thumbnail(picture: np.ndarray) -> np.ndarray:
    """A picture as wide as a cell of the sheet: `(h, CELL_WIDTH, 3)` uint8 RGB."""
    height = max(1, round(picture.shape[0] * CELL_WIDTH / picture.shape[1]))
    shrinks = picture.shape[1] > CELL_WIDTH
    return cv2.resize(
        picture, (CELL_WIDTH, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    )


def contact_sheet(original: np.ndarray, frames: Sequence[np.ndarray], names: Sequence[str]) -> np.ndarray:
    """Lays the pictures out, the input first, marked with a frame and the word "input".

    Args:
        original: thumbnail of the input.
        frames: thumbnails of the same shape.
        names: one for each of them.

    Returns:
        `(H, W, 3)` uint8 RGB.
    """
    cells = [_cell(original, "input", INPUT_COLOUR)]
    cells += [_cell(frame, name, INK) for frame, name in zip(frames, names, strict=True)]
    rows = math.ceil(len(cells) / MOST_IN_ONE_ROW)
    columns = math.ceil(len(cells) / rows)
    height, width = cells[0].shape[:2]
    sheet = np.full((rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, 3), PAPER, np.uint8)
    for index, cell in enumerate(cells):
        top = GAP + index // columns * (height + GAP)
        left = GAP + index % columns * (width + GAP)
        sheet[top : top + height, left : left + width] = cell
    return sheet


def _cell(picture: np.ndarray, name: str, colour: tuple[int, int, int]) -> np.ndarray:
    picture = picture.copy()
    if colour is INPUT_COLOUR:
        cv2.rectangle(picture, (0, 0), (picture.shape[1] - 1, picture.shape[0] - 1), colour, 2 * FRAME)
    words = title(picture.shape[1], CELL_WIDTH // 8, name, colour, PAPER)
    return np.concatenate([picture, words])
