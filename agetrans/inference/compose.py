"""Applying a generator's change to a face crop at the crop's own size, in NumPy: `generator.compose` for files."""

from __future__ import annotations

import cv2
import numpy as np


def compose(crop: np.ndarray, change: np.ndarray) -> np.ndarray:
    """The crop with the change applied.

    Args:
        crop: `(H, W, 3)` uint8 RGB.
        change: `(h, w, 6)` float32: flow (2, x then y, in fractions of the width), delta (3, in the range [-1, 1]) and
            mask (1, in [0, 1]): the result at p is mask * (crop at p + flow, + delta) + (1 - mask) * crop at p. Or
            `(h, w, 3)`: the whole picture, painted anew, in [-1, 1].

    Returns:
        `(H, W, 3)` uint8 RGB.
    """
    height, width = crop.shape[:2]
    large = enlarge(change, height, width)
    if large.shape[-1] == 3:
        return to_uint8(large)
    photo = crop.astype(np.float32)
    x = np.arange(width, dtype=np.float32)[None, :] + large[..., 0] * width
    y = np.arange(height, dtype=np.float32)[:, None] + large[..., 1] * height
    moved = cv2.remap(photo, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    moved += large[..., 2:5] * 127.5
    moved -= photo
    moved *= np.clip(large[..., 5:], 0, 1)
    moved += photo
    return np.clip(np.rint(moved), 0, 255).astype(np.uint8)


def to_uint8(picture: np.ndarray) -> np.ndarray:
    """A picture in [-1, 1] as uint8; what lies beyond is clipped."""
    return np.clip(np.rint((picture + 1) * 127.5), 0, 255).astype(np.uint8)


def enlarge(change: np.ndarray, height: int, width: int) -> np.ndarray:
    """A change at another size: bicubic, so that no cell of the small one shows; averaged where it shrinks."""
    if change.shape[:2] == (height, width):
        return change
    shrinks = height < change.shape[0]
    return cv2.resize(change, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
