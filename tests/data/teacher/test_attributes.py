"""What is measured in a face, on drawn faces."""

from __future__ import annotations

import numpy as np
import pytest

from agetrans.data.teacher.attributes import NAMES, child_of, measure, old_of

POINTS = np.array([[100, 110], [156, 110], [128, 140], [106, 170], [150, 170]], float)


def face() -> np.ndarray:
    """A grey face, its background blue on the left and green on the right, its clothes red."""
    picture = np.full((256, 256, 3), 120, np.uint8)
    picture[:115, :26], picture[:115, 230:], picture[238:] = (0, 0, 200), (0, 200, 0), (200, 0, 0)
    return picture


def measured(picture: np.ndarray, points: np.ndarray = POINTS, years: float = 40, male: float = 1.5) -> dict:
    return dict(zip(NAMES, measure(picture, points, years, male), strict=True))


@pytest.mark.parametrize(
    ("years", "child", "old"), [(0, np.log(3), 0), (25, np.log(28), 0), (60, np.log(28), 35)]
)
def test_ages_are_split_at_25(years: float, child: float, old: float) -> None:
    assert child_of(years) == pytest.approx(child)
    assert old_of(years) == pytest.approx(old)


def test_twenty_attributes_and_their_colours() -> None:
    attributes = measured(face())
    assert len(attributes) == 20
    assert attributes["male"] == 1.5
    assert (attributes["child"], attributes["old"]) == (np.log(28), 15)
    colours = {
        place: tuple(attributes[f"{place}_{channel}"] for channel in "rgb")
        for place in ("left", "right", "clothes", "face")
    }
    assert colours == {
        "left": (0, 0, 200),
        "right": (0, 200, 0),
        "clothes": (200, 0, 0),
        "face": (120, 120, 120),
    }


def test_a_dark_bar_between_the_eyes_is_glasses() -> None:
    worn = face()
    worn[108:113, 100:156] = 10
    assert measured(face())["glasses"] == 0
    assert measured(worn)["glasses"] == pytest.approx(np.log(111))


def test_where_the_nose_points() -> None:
    turned, raised = POINTS.copy(), POINTS.copy()
    turned[2, 0] += 14
    raised[2, 1] -= 15
    assert measured(face())["yaw"] == 0
    assert measured(face(), turned)["yaw"] == pytest.approx(14 / 56)
    assert measured(face())["pitch"] - measured(face(), raised)["pitch"] == pytest.approx(15 / 60)


def test_contrast_of_mouth_and_eyes() -> None:
    open_mouth, one_eye = face(), face()
    open_mouth[165:175, 110:146] = 30
    one_eye[107:113, 95:105] = 0
    base = measured(face())
    assert base["mouth"] == base["eyes"] == 0
    assert measured(open_mouth)["mouth"] > 20
    assert measured(open_mouth)["eyes"] == 0
    both = one_eye.copy()
    both[107:113, 151:161] = 0
    assert measured(both)["eyes"] == pytest.approx(2 * measured(one_eye)["eyes"])


def test_points_at_the_edge_are_measured_too() -> None:
    for shift in (-110, 110):
        assert np.isfinite(list(measured(face(), POINTS + shift).values())).all()
