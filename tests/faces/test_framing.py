"""Framing: what must hold of any five points, and FFHQ's square on a face measured by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agetrans.faces.framing import apply, framing_matrix, invert, similarity
from agetrans.framings import FRAMINGS

UPRIGHT = np.array([[40, 50], [60, 50], [50, 66], [45, 80], [55, 80.0]])
"""Eyes 20 apart, mouth 30 below them."""

places = st.floats(-3000, 3000)
shifts = st.lists(st.floats(-4, 4), min_size=10, max_size=10).map(lambda v: np.reshape(v, (5, 2)))
"""What makes a face crooked: far less than the distance between its eyes."""


def turned(angle: float, scale: float, x: float, y: float) -> np.ndarray:
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[cosine, -sine, x], [sine, cosine, y]])


@pytest.mark.parametrize("framing", FRAMINGS)
@settings(max_examples=50, deadline=None)
@given(shift=shifts, angle=st.floats(-3.1, 3.1), scale=st.floats(0.2, 40), x=places, y=places)
def test_a_turned_moved_or_enlarged_face_has_the_same_crop(
    framing: str, shift: np.ndarray, angle: float, scale: float, x: float, y: float
) -> None:
    points = UPRIGHT + shift
    moved = apply(turned(angle, scale, x, y), points)
    expected = apply(framing_matrix(points, framing, 256), points)
    np.testing.assert_allclose(apply(framing_matrix(moved, framing, 256), moved), expected, atol=1e-3)


@settings(max_examples=50, deadline=None)
@given(shift=shifts)
def test_a_mirrored_face_has_the_mirrored_ffhq_crop(shift: np.ndarray) -> None:
    points = UPRIGHT + shift
    mirrored = (points * (-1, 1))[[1, 0, 2, 4, 3]]
    crop = apply(framing_matrix(points, "ffhq", 100), points)
    np.testing.assert_allclose(
        apply(framing_matrix(mirrored, "ffhq", 100), mirrored)[[1, 0, 2, 4, 3]],
        (99, 0) + crop * (-1, 1),
        atol=1e-6,
    )


def test_ffhq_square_of_an_upright_face() -> None:
    # Half the side is the larger of 2 * 20 and 1.8 * 30; the centre lies a tenth of the way from eyes to mouth.
    matrix = framing_matrix(UPRIGHT, "ffhq", 54)
    top_left, bottom_right = apply(invert(matrix), [(-0.5, -0.5), (53.5, 53.5)])
    np.testing.assert_allclose(top_left, (50 - 54, 53 - 54))
    np.testing.assert_allclose(bottom_right, (50 + 54, 53 + 54))


@settings(max_examples=50, deadline=None)
@given(angle=st.floats(-3.1, 3.1), scale=st.floats(0.01, 100), x=places, y=places)
def test_an_inverse_leads_back(angle: float, scale: float, x: float, y: float) -> None:
    matrix = turned(angle, scale, x, y)
    np.testing.assert_allclose(apply(invert(matrix), apply(matrix, UPRIGHT)), UPRIGHT, atol=1e-6)


@settings(max_examples=50, deadline=None)
@given(shift=shifts, other=shifts, nudge=st.floats(-0.02, 0.02))
def test_no_similarity_fits_better_than_the_fitted_one(
    shift: np.ndarray, other: np.ndarray, nudge: float
) -> None:
    assume(abs(nudge) > 1e-4)
    source, target = UPRIGHT + shift, UPRIGHT + other

    def error(matrix: np.ndarray) -> float:
        return float(np.square(apply(matrix, source) - target).sum())

    best = similarity(source, target)
    for step in (
        turned(nudge, 1, 0, 0),
        turned(0, 1 + nudge, 0, 0),
        turned(0, 1, nudge, 0),
        turned(0, 1, 0, nudge),
    ):
        worse = np.column_stack([step[:, :2] @ best[:, :2], apply(step, best[:, 2])])
        assert error(worse) > error(best) - 1e-9
