"""Applying a generator's change to a face crop at the crop's own size, in NumPy: `generator.compose` for files."""

from __future__ import annotations

import math

import cv2
import numpy as np

AUTHORS_SPAN = 2 + 1e-5
"""What AgeTransGAN's program, with the picture library of its time, divides [-1, 1] by to make it [0, 1]."""


def compose(crop: np.ndarray, change: np.ndarray, span: float = 2.0) -> np.ndarray:
    """The crop with the change applied.

    Args:
        crop: `(H, W, 3)` uint8 RGB.
        change: `(h, w, 6)` float32: flow (2, x then y, in fractions of the width), delta (3, in the range [-1, 1]) and
            mask (1, in [0, 1]): the result at p is mask * (crop at p + flow, + delta) + (1 - mask) * crop at p. Or
            `(h, w, 3)`: the whole picture, painted anew, in [-1, 1].
        span: see `to_uint8`, of painted pictures.

    Returns:
        `(H, W, 3)` uint8 RGB.
    """
    height, width = crop.shape[:2]
    if change.shape[-1] == 3:
        return to_uint8(enlarge(change, height, width), span)
    flow, delta, mask = (
        enlarge(np.ascontiguousarray(part), height, width)
        for part in (change[..., :2], change[..., 2:5] * np.float32(127.5), change[..., 5:])
    )
    photo = crop.astype(np.float32)
    x = np.arange(width, dtype=np.float32)[None, :] + flow[..., 0] * width
    y = np.arange(height, dtype=np.float32)[:, None] + flow[..., 1] * height
    result = cv2.remap(photo, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    result += delta
    result -= photo
    result *= np.clip(mask, 0, 1)
    # Adds, rounds and keeps to 0 ... 255 in one pass.
    return cv2.add(result, photo, dtype=cv2.CV_8U)


def to_uint8(picture: np.ndarray, span: float = 2.0) -> np.ndarray:
    """A float32 picture in [-1, 1] as uint8; what lies beyond is clipped.

    Args:
        picture: of any shape.
        span: the width of the range: 2, or `AUTHORS_SPAN` for the very values of AgeTransGAN's program, which differ
            from the others by one level, rarely.
    """
    share = (np.clip(picture, -1, 1) + 1) / np.float32(span)
    return (share * 255 + np.float32(0.5)).astype(np.uint8)


def enlarge(change: np.ndarray, height: int, width: int) -> np.ndarray:
    """A change at another size, so smooth that no cell of the small one shows; averaged where it shrinks.

    Bicubic with Keys' kernel ("Cubic Convolution Interpolation for Digital Image Processing", 1981, a = -1/2), which
    unlike OpenCV's (a = -3/4) keeps straight ramps straight; OpenCV's filters apply it in whole multiples.

    Args:
        change: `(h, w, channels)` float32.
        height: of the result.
        width: of the result.

    Returns:
        `(height, width, channels)` float32; edges are continued with their own values.
    """
    if height < change.shape[0] or width < change.shape[1]:
        small = cv2.resize(change, (width, height), interpolation=cv2.INTER_AREA)
        return small.reshape(height, width, -1)
    rows, columns = math.ceil(height / change.shape[0]), math.ceil(width / change.shape[1])
    large = _multiply(_multiply(change, columns, axis=1), rows, axis=0)
    if large.shape[:2] != (height, width):
        large = cv2.resize(large, (width, height), interpolation=cv2.INTER_LINEAR)
    return large.reshape(height, width, -1)


def _multiply(values: np.ndarray, times: int, axis: int) -> np.ndarray:
    """Bicubic enlargement of one axis by a whole factor: one short filter for each place between two samples."""
    if times == 1:
        return values
    identity = np.ones(1, np.float32)
    phases = []
    for phase in range(times):
        taps = _keys(np.arange(-2, 3) - ((phase + 0.5) / times - 0.5)).astype(np.float32)
        across, down = (taps, identity) if axis == 1 else (identity, taps)
        phases.append(cv2.sepFilter2D(values, -1, across, down, borderType=cv2.BORDER_REPLICATE))
    shape = list(values.shape)
    shape[axis] *= times
    return np.stack(phases, axis=axis + 1).reshape(shape)


def _keys(x: np.ndarray) -> np.ndarray:
    """Keys' cubic convolution kernel, a = -1/2."""
    x = np.abs(x)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))
