"""Small collections of pictures that tests make."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def write_pictures(folder: Path, names: list[str], side: int = 8) -> None:
    """Writes a plain picture of another grey under each name."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), np.full((side, side, 3), 20 * number % 256, np.uint8))
