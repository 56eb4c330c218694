"""Words on pictures."""

from __future__ import annotations

import functools

import numpy as np
from PIL import Image, ImageDraw, ImageFont


@functools.cache
def _font(height: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(height)


def write_on(picture: np.ndarray, text: str) -> np.ndarray:
    """The picture with white, dark-edged words in its lower left corner.

    Args:
        picture: `(H, W, 3)` uint8 RGB.
        text: one line.

    Returns:
        A new array of the same shape.
    """
    canvas = Image.fromarray(picture)
    height = max(12, picture.shape[0] // 20)
    margin = height // 2
    ImageDraw.Draw(canvas).text(
        (margin, canvas.height - margin),
        text,
        fill="white",
        font=_font(height),
        anchor="ls",
        stroke_width=max(1, height // 12),
        stroke_fill="black",
    )
    return np.asarray(canvas)


def title(
    width: int, height: int, text: str, colour: tuple[int, int, int], ground: tuple[int, int, int]
) -> np.ndarray:
    """One line of words, centred: `(height, width, 3)` uint8 RGB."""
    canvas = Image.new("RGB", (width, height), ground)
    letters = height * 3 // 5
    ImageDraw.Draw(canvas).text((width / 2, height / 2), text, fill=colour, font=_font(letters), anchor="mm")
    return np.asarray(canvas)
