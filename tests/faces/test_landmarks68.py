from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agetrans.faces.landmarks68 import choose_landmarks, five_points

GOLDEN = Path(__file__).parents[3] / "shared" / "golden" / "agetransgan"
pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason="golden/agetransgan is not beside the repository")


@pytest.mark.parametrize(
    ("framing", "name"), [("agetransgan", "five_points_padded"), ("ffhq", "five_points_right_eye_six")]
)
def test_five_points(framing: str, name: str) -> None:
    golden = np.load(GOLDEN / "framing.npz")
    found = np.stack([five_points(face, framing) for face in golden["landmarks"]])
    offset = np.round((golden[name] - found).mean())
    assert offset in (0, 200)
    np.testing.assert_allclose(found + offset, golden[name], atol=1e-9)


def test_chosen_face_is_the_authors() -> None:
    golden = np.load(GOLDEN / "faces.npz")
    assert [choose_landmarks(faces) for faces in golden["landmarks"]] == golden["selected"].tolist()
