"""The packaged judges on the portrait of a woman of 42, where they are installed."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from agetrans.evaluation.judges import overlap
from agetrans.evaluation.readings import FACE_BOX, FaceJudge, Readings
from agetrans.faces import find_faces, framing_matrix, warp
from tests.conftest import PORTRAIT


@pytest.fixture(scope="module")
def readings() -> Readings:
    """Of the framed portrait, of its mirror image, and of a grey picture."""
    pytest.importorskip("dlib", reason="the judges are not installed: pip install -e '.[bench]'")
    pytest.importorskip("onnxruntime", reason="the judges are not installed: pip install -e '.[bench]'")
    photograph = cv2.cvtColor(cv2.imread(str(PORTRAIT)), cv2.COLOR_BGR2RGB)
    face = find_faces(photograph)[0]
    picture = warp(photograph, framing_matrix(face.points, "ffhq", 256), 256)
    grey = np.full((256, 256, 3), 120, np.uint8)
    return Readings(FaceJudge().read([picture, picture[:, ::-1], grey]))


def test_what_they_say_of_the_portrait(readings: Readings) -> None:
    assert readings.found.tolist() == [1, 1, 0]
    assert np.all((readings.ages[:2] > 25) & (readings.ages[:2] < 55))
    assert np.all(readings.female[:2] > 0.5)


def test_embeddings_know_the_mirrored_person_and_not_the_wall(readings: Readings) -> None:
    similar = readings.embeddings @ readings.embeddings.T
    np.testing.assert_allclose(np.diagonal(similar), 1, atol=1e-5)
    assert similar[0, 1] > 0.95 > similar[0, 2]


def test_points_lie_in_the_face_eyes_above_mouth(readings: Readings) -> None:
    points = readings.points[0]
    left, top, right, bottom = FACE_BOX
    inside = (
        (points[:, 0] > left - 20)
        & (points[:, 0] < right + 20)
        & (points[:, 1] > top - 20)
        & (points[:, 1] < bottom + 30)
    )
    assert inside.all()
    assert points[36:48, 1].max() < points[48:, 1].min()
    assert points[36:42, 0].mean() < points[42:48, 0].mean()


def test_overlap_of_boxes() -> None:
    assert overlap((0, 0, 10, 10), (0, 0, 10, 10)) == 1.0
    assert overlap((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(50 / 150)
    assert overlap((0, 0, 10, 10), (20, 0, 30, 10)) == 0.0
