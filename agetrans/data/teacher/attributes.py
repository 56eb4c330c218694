"""What can be seen in a framed face, as numbers: the labels that the teacher's directions are fitted to."""

from __future__ import annotations

import cv2
import numpy as np

NAMES = (
    "child", "old", "male", "glasses", "yaw", "pitch", "mouth", "eyes",
    *(f"{place}_{channel}" for place in ("left", "right", "clothes", "face") for channel in "rgb"),
)  # fmt: skip
"""The twenty attributes, in the order of the columns."""
COLOURED_PARTS = (
    (0.0, 0.45, 0.0, 0.1),
    (0.0, 0.45, 0.9, 1.0),
    (0.93, 1.0, 0.2, 0.8),
    (0.4, 0.75, 0.33, 0.67),
)
"""Top, bottom, left and right of the left and right background, the clothes and the face, in shares of the side."""


def child_of(years: np.ndarray | float) -> np.ndarray:
    """How grown a person of an age in years is: log(min(age, 25) + 3); constant from 25 years on."""
    return np.log(np.minimum(years, 25.0) + 3.0)


def old_of(years: np.ndarray | float) -> np.ndarray:
    """Years beyond 25; zero before."""
    return np.maximum(years, 25.0) - 25.0


def measure(picture: np.ndarray, points: np.ndarray, years: float, male: float) -> np.ndarray:
    """The twenty attributes of a face.

    Args:
        picture: `(S, S, 3)` uint8 RGB, framed "ffhq".
        points: `(5, 2)` eyes, nose, mouth corners in its pixels, left first.
        years: Estimated age.
        male: Estimated gender, a logit.

    Returns:
        `(20,)` float64, in the order of `NAMES`.
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float64)
    left_eye, right_eye, nose, left_mouth, right_mouth = points
    eyes, mouth = (left_eye + right_eye) / 2, (left_mouth + right_mouth) / 2
    span = float(np.linalg.norm(right_eye - left_eye))
    height = float(np.linalg.norm(mouth - eyes))
    eye_contrast = [_box(grey, eye, 0.22 * span, 0.14 * span).std() for eye in (left_eye, right_eye)]
    return np.array(
        [
            child_of(years),
            old_of(years),
            male,
            bridge_step(grey, left_eye, right_eye),
            (nose[0] - eyes[0]) / span,
            (nose[1] - eyes[1]) / height,
            _box(grey, mouth, 0.5 * span, 0.25 * span).std(),
            np.mean(eye_contrast),
            *_colours(picture),
        ]
    )


def bridge_step(grey: np.ndarray, left_eye: np.ndarray, right_eye: np.ndarray) -> float:
    """How strongly a bridge of glasses shows: log of the largest step of brightness from row to row between the eyes.

    Args:
        grey: `(S, S)` float64, 0 to 255.
        left_eye: `(2,)` its centre in pixels, of the eye on the left of the picture.
        right_eye: `(2,)` likewise.
    """
    span = float(np.linalg.norm(right_eye - left_eye))
    bridge = _box(grey, (left_eye + right_eye) / 2, 0.22 * span, 0.35 * span)
    return float(np.log(np.abs(np.diff(bridge.mean(axis=1))).max() + 1.0))


def _colours(picture: np.ndarray) -> np.ndarray:
    """Mean RGB of the left and right background, the clothes and the face: 12 numbers."""
    side = len(picture)
    means = []
    for part in COLOURED_PARTS:
        top, bottom, left, right = (int(edge * side) for edge in part)
        means.append(picture[top:bottom, left:right].mean(axis=(0, 1)))
    return np.concatenate(means)


def _box(grey: np.ndarray, centre: np.ndarray, half_width: float, half_height: float) -> np.ndarray:
    """The pixels of a box around a point, cut at the picture's edge, never empty."""
    left = int(np.clip(centre[0] - half_width, 0, grey.shape[1] - 3))
    top = int(np.clip(centre[1] - half_height, 0, grey.shape[0] - 3))
    right, bottom = int(centre[0] + half_width) + 1, int(centre[1] + half_height) + 1
    return grey[top : max(bottom, top + 3), left : max(right, left + 3)]
