"""What changed in a picture that should not have: background, colour of eyes and skin, steadiness of a run."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from agetrans.head import HEAD_AXES, HEAD_CENTRE

GLASSES_EDGE = 25.0
"""Above it a face is taken to wear glasses: six of the eight of 92 test faces that do, and none that does not."""
_EYES = (slice(36, 42), slice(42, 48))
_CHEEKS = (((40, 41), 31, 2), ((46, 47), 35, 14))
"""Of each cheek: the lower lid, the wing of the nose and the jaw, in the 68 points; the middle of these is skin."""


def head_mask() -> np.ndarray:
    """`(256, 256)` bool: the ellipse around the head in the `ffhq` framing; outside is background."""
    mask = np.zeros((256, 256), np.uint8)
    centre, axes = ([round(256 * share) for share in pair] for pair in (HEAD_CENTRE, HEAD_AXES))
    cv2.ellipse(mask, centre, axes, 0, 0, 360, 1, cv2.FILLED)
    return mask.astype(bool)


def outside_head(before: np.ndarray, after: np.ndarray) -> float:
    """Mean absolute difference, 0 to 255, of pictures `(..., 256, 256, 3)` uint8 outside the head's ellipse."""
    difference = np.abs(after.astype(np.int16) - before.astype(np.int16))
    return float(difference[..., ~head_mask(), :].mean())


def eye_colour(picture: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Median CIE L*a*b* of the irises: `(3,)`.

    Args:
        picture: `(H, W, 3)` uint8 RGB.
        points: `(68, 2)` in its pixels.
    """
    discs = []
    for eye in _EYES:
        width = float(np.linalg.norm(points[eye][3] - points[eye][0]))
        discs.append((points[eye].mean(axis=0), 0.18 * width))
    return _median_lab(picture, discs)


def skin_colour(picture: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Median CIE L*a*b* of the middle of both cheeks: `(3,)`; arguments as `eye_colour`."""
    span = float(np.linalg.norm(points[45] - points[36]))
    discs = []
    for lid, nose, jaw in _CHEEKS:
        corners = [points[list(lid)].mean(axis=0), points[nose], points[jaw]]
        discs.append((np.mean(corners, axis=0), 0.08 * span))
    return _median_lab(picture, discs)


def glasses_edge(picture: np.ndarray, points: np.ndarray) -> float:
    """How strongly a bridge of glasses shows between the eyes: the sharpest bend of brightness from row to row.

    Deep wrinkles between the brows bend it too: of old faces it says little.

    Args:
        picture: `(H, W, 3)` uint8 RGB.
        points: `(68, 2)` in its pixels.
    """
    left, right = points[39], points[42]
    middle, (dx, dy) = (left + right) / 2, right - left
    span = float(np.linalg.norm(points[45] - points[36]))
    # The eyes level, their outer corners 100 pixels apart, 36 rows and 16 columns of the bridge.
    matrix = cv2.getRotationMatrix2D(
        (float(middle[0]), float(middle[1])), float(np.degrees(np.arctan2(dy, dx))), 100 / span
    )
    matrix[:, 2] += np.array([8, 16]) - middle
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    rows = cv2.warpAffine(grey, matrix, (16, 36)).mean(axis=1)
    return float(np.abs(rows[:-4] - 2 * rows[2:-2] + rows[4:]).max())


def colour_difference(a: np.ndarray, b: np.ndarray) -> float:
    """CIE 1976 difference of two colours in L*a*b*: about 2 can just be seen."""
    return float(np.linalg.norm(a - b))


def second_difference(run: Sequence[np.ndarray]) -> float:
    """How unsteady a run is, 0 to 255: the mean over the head of |next - 2 now + before|; 0 where all moves evenly.

    Args:
        run: at least three frames `(256, 256, 3)` uint8.
    """
    head = head_mask()
    pixels = [frame[head].astype(np.int16) for frame in run]
    triples = zip(pixels, pixels[1:], pixels[2:], strict=False)
    return float(np.mean([np.abs(after - 2 * now + before).mean() for before, now, after in triples]))


def _median_lab(picture: np.ndarray, discs: Sequence[tuple[np.ndarray, float]]) -> np.ndarray:
    mask = np.zeros(picture.shape[:2], np.uint8)
    for centre, radius in discs:
        x, y = (round(float(coordinate)) for coordinate in centre)
        cv2.circle(mask, (x, y), max(1, round(radius)), 1, cv2.FILLED)
    chosen = picture[mask.astype(bool)]
    if not len(chosen):
        return np.full(3, np.nan)
    return np.median(cv2.cvtColor(chosen[None].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0], axis=0)
