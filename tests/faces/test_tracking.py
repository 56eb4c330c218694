"""Faces through time."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from agetrans.faces import Face, find_faces, follow_faces
from agetrans.faces.tracking import (
    SMALLEST_SHARE,
    FaceTracker,
    OneEuro,
    choose_tracks,
    overlap,
    smooth_in_time,
)


@pytest.fixture(scope="module")
def face(portrait) -> Face:
    return find_faces(portrait)[0]


def test_a_face_is_found_again_where_it_went(portrait, face):
    shifted = np.roll(portrait, (3, 6), axis=(0, 1))
    (again,) = follow_faces(shifted, [face])
    assert np.abs(again.points - face.points - (6, 3)).max() < 1.5
    assert follow_faces(np.full_like(portrait, 90), [face]) == [None]


def test_following_a_face_beyond_the_edge_gives_none(portrait, face):
    far = Face((400.0, 400.0, 50.0, 50.0), face.points + 400, 1.0)
    assert follow_faces(portrait, [far]) == [None]


def test_a_face_keeps_its_number_until_a_cut(portrait):
    tracker = FaceTracker(every=4)
    frames = [np.roll(portrait, 4 * index, axis=1) for index in range(8)]
    numbers = [[tracked.number for tracked in tracker.update(frame)] for frame in frames]
    assert numbers == [[0]] * 8
    assert tracker.update(np.full_like(portrait, 90)) == []  # nobody: now every frame is searched
    assert [tracked.number for tracked in tracker.update(portrait)] == [1]


def test_the_smallest_face_of_a_film_that_is_promised_is_found(portrait, face):
    frame = np.full((1080, 1920, 3), 90, np.uint8)
    factor = 1920 / SMALLEST_SHARE / face.box[2]
    small = cv2.resize(portrait, None, fx=factor, fy=factor)
    frame[200 : 200 + len(small), 901 : 901 + small.shape[1]] = small
    (tracked,) = FaceTracker().update(frame)
    expected = (face.points + 0.5) * factor - 0.5 + (901, 200)
    np.testing.assert_allclose(tracked.face.points, expected, atol=0.08 * face.box[2] * factor)


def test_smoothing_keeps_even_movement_and_calms_trembling():
    rng = np.random.default_rng(0)
    steady = np.arange(60)[:, None, None] * np.ones((1, 5, 2)) * 3
    np.testing.assert_allclose(smooth_in_time(steady, 2.5), steady, atol=1e-9)
    trembling = steady + rng.normal(size=steady.shape)
    left = smooth_in_time(trembling, 2.5) - steady
    # The average of a Gaussian of that width leaves sqrt(1 / (2 sqrt(pi) sigma)) of white noise.
    assert left[10:-10].std() == pytest.approx(np.sqrt(1 / (2 * np.sqrt(np.pi) * 2.5)), rel=0.2)


def test_one_euro_calms_rest_and_follows_movement():
    rng = np.random.default_rng(0)
    still, moving = OneEuro(), OneEuro()
    noise = rng.normal(size=(90, 5, 2))
    rest = np.stack([still.update(points, 100, 1 / 30) for points in noise])
    assert rest[30:].std() < 0.5 * noise.std()
    path = [moving.update(np.full((5, 2), 10.0 * frame), 100, 1 / 30) for frame in range(60)]
    assert np.abs(path[-1] - 590).max() < 15


@pytest.mark.parametrize(
    ("which", "tracks"),
    [("all", {0, 1, 2, 3}), ("largest", {1, 3}), ("1", {0, 2}), ("0", {1, 3}), ("2", set())],
)
def test_tracks_that_follow_each_other_are_chosen_together(which, tracks):
    areas = [{0: 5.0, 1: 5.0}, {0: 9.0, 1: 9.0}, {4: 3.0}, {4: 8.0, 5: 8.0}]
    assert choose_tracks(areas, which) == tracks


def test_overlap_is_shared_over_union():
    points = np.zeros((5, 2))
    one, other = Face((0, 0, 4, 2), points, 1), Face((2, 0, 4, 2), points, 1)
    assert overlap(one, one) == pytest.approx(1)
    assert overlap(one, other) == pytest.approx(4 / 12)
