"""What changed in a picture, on made pictures."""

from __future__ import annotations

import numpy as np
import pytest

from agetrans.evaluation.changes import (
    colour_difference,
    eye_colour,
    outside_head,
    second_difference,
    skin_colour,
)


@pytest.fixture
def points() -> np.ndarray:
    """68 points of a face that looks straight ahead; only those that are read lie in their places."""
    points = np.full((68, 2), 128.0)
    for first, x in ((36, 95.0), (42, 161.0)):
        points[first : first + 6] = [
            [x - 15, 110], [x - 6, 105], [x + 6, 105], [x + 15, 110], [x + 6, 115], [x - 6, 115],
        ]  # fmt: skip
    points[[31, 35]] = [[115, 150], [141, 150]]
    points[[2, 14]] = [[70, 150], [186, 150]]
    return points


def test_only_changes_outside_the_head_count() -> None:
    before = np.full((2, 256, 256, 3), 100, np.uint8)
    head, corner = before.copy(), before.copy()
    head[:, 60:190, 80:180] = 0
    assert outside_head(before, head) == 0.0
    corner[:, :20, :20] = 110
    y, x = np.mgrid[:256, :256]
    background = (((x - 128) / 98) ** 2 + ((y - 122) / 126) ** 2 > 1).sum()
    np.testing.assert_allclose(outside_head(before, corner), 10 * 400 / background, rtol=0.02)


def test_colours_are_those_of_the_iris_and_the_cheeks(points: np.ndarray) -> None:
    picture = np.zeros((256, 256, 3), np.uint8)
    picture[103:118, 88:102] = picture[103:118, 154:168] = (90, 60, 30)
    picture[125:150, 80:110] = picture[125:150, 146:176] = (220, 180, 160)
    # L*a*b* of these two colours by scikit-image 0.26.
    np.testing.assert_allclose(eye_colour(picture, points), (28.11, 9.68, 23.55), atol=0.3)
    np.testing.assert_allclose(skin_colour(picture, points), (76.31, 11.51, 15.65), atol=0.3)


def test_colours_far_outside_the_picture_are_not_a_number(points: np.ndarray) -> None:
    assert np.isnan(eye_colour(np.zeros((64, 64, 3), np.uint8), points + 500)).all()


def test_the_difference_of_colours_is_that_of_1976() -> None:
    assert colour_difference(np.array([50.0, 3, 4]), np.array([50.0, 0, 0])) == 5.0


def test_an_even_fade_is_steady_and_a_flash_is_not() -> None:
    fade = [np.full((256, 256, 3), 10 * t, np.uint8) for t in range(5)]
    assert second_difference(fade) == 0.0
    flash = [frame.copy() for frame in fade]
    flash[2] += 8
    # |1 * 8|, |-2 * 8| and |1 * 8| in three triples.
    assert second_difference(flash) == pytest.approx(8 * 4 / 3)
