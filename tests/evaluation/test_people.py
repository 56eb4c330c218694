"""Framing of photographs that are judged."""

from __future__ import annotations

import numpy as np
import pytest

from agetrans.evaluation.people import frame_photograph
from agetrans.faces import FaceNotFound


def test_a_small_face_in_a_large_photograph_is_framed(portrait: np.ndarray) -> None:
    photograph = np.full((2600, 2600, 3), 128, np.uint8)
    photograph[500:756, 600:856] = portrait
    expected = frame_photograph(portrait)[1] @ np.array([112.0, 63.0, 1.0])  # the nose
    framed, matrix = frame_photograph(photograph)
    np.testing.assert_allclose(matrix @ np.array([712.0, 563.0, 1.0]), expected, atol=8)
    assert framed.std() > 30, "not the grey around the portrait"


def test_a_photograph_without_a_face_is_told() -> None:
    with pytest.raises(FaceNotFound):
        frame_photograph(np.full((300, 400, 3), 128, np.uint8))
