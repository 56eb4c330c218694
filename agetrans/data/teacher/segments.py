"""The head in a teacher's picture, from the teacher's own activations: no label was ever drawn."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

FEATURE = "block3"
"""Activation (64x64, 512 channels) whose directions were clustered."""
HEAD_CLUSTERS = (1, 3, 5, 6, 7, 8)
"""Of nine: 1 skin, 3 neck and beard, 5 to 7 hair, 8 eyes and mouth; not 0 and 4 background, 2 cloth and hats."""


def load_centroids() -> np.ndarray:
    """Nine unit vectors `(9, 512)`: k-means by cosine on 32 people, named by hand."""
    return np.load(Path(__file__).with_name("segments.npy")).astype(np.float32)


def head_masks(activations: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Heads: the largest connected part of the pixels in the clusters of a head, holes filled.

    Args:
        activations: `(B, 64, 64, 512)`, the teacher's at `FEATURE`.
        centroids: `(9, 512)`, see `load_centroids`; a pixel belongs to the one with the largest dot product.

    Returns:
        `(B, 64, 64)` bool.
    """
    labels = (activations.astype(np.float32) @ centroids.T).argmax(axis=-1)
    return np.stack([_largest_part(np.isin(picture, HEAD_CLUSTERS)) for picture in labels])


def _largest_part(mask: np.ndarray) -> np.ndarray:
    # OpenCV's opening with an even kernel moves what it opens: erosion and dilation must have opposite anchors.
    square = np.ones((2, 2), np.uint8)
    opened = cv2.dilate(cv2.erode(mask.astype(np.uint8), square), square, anchor=(0, 0))
    _, parts, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=4)
    if len(stats) < 2:
        return mask
    part = (parts == 1 + stats[1:, cv2.CC_STAT_AREA].argmax()).astype(np.uint8)
    contours, _ = cv2.findContours(part, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(part, contours, -1, 1, cv2.FILLED).astype(bool)
