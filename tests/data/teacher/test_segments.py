"""Heads found in made activations."""

from __future__ import annotations

import numpy as np

from agetrans.data.teacher.segments import HEAD_CLUSTERS, head_masks, load_centroids

BACKGROUND, CLOTH, SKIN, HAIR, EYES = 0, 2, 1, 5, 8


def masks(labels: np.ndarray) -> np.ndarray:
    """Masks of activations that point along the centroids of clusters `(B, 64, 64)`, of any length."""
    centroids = load_centroids()
    length = np.random.default_rng(0).uniform(0.1, 5, (*labels.shape, 1))
    return head_masks((centroids[labels] * length).astype(np.float16), centroids)


def labels() -> np.ndarray:
    """A head of skin, hair and eyes on cloth, before a background."""
    picture = np.full((64, 64), BACKGROUND)
    picture[45:] = CLOTH
    picture[10:20, 20:44], picture[20:45, 22:42], picture[28:31, 26:38] = HAIR, SKIN, EYES
    return picture


def head(picture: np.ndarray) -> np.ndarray:
    return np.isin(picture, (SKIN, HAIR, EYES))


def test_centroids_are_nine_unit_vectors() -> None:
    centroids = load_centroids()
    assert centroids.shape == (9, 512)
    np.testing.assert_allclose(np.linalg.norm(centroids, axis=1), 1, atol=1e-2)
    assert set(HEAD_CLUSTERS) == {1, 3, 5, 6, 7, 8}


def test_skin_hair_and_eyes_are_the_head() -> None:
    picture = labels()
    np.testing.assert_array_equal(masks(picture[None])[0], head(picture))


def test_holes_are_filled_and_other_parts_left_out() -> None:
    picture = labels()
    expected = head(picture)
    picture[32:36, 30:34] = CLOTH
    picture[5:9, 55:60] = SKIN
    picture[50:56, 10:18] = HAIR
    np.testing.assert_array_equal(masks(picture[None])[0], expected)


def test_a_thread_does_not_tie_another_part_to_the_head() -> None:
    picture = labels()
    expected = head(picture)
    picture[25, 42:52], picture[20:30, 52:60] = SKIN, SKIN
    np.testing.assert_array_equal(masks(picture[None])[0], expected)


def test_each_picture_of_a_batch_has_its_own_mask() -> None:
    pictures = np.stack([labels(), np.roll(labels(), 7, axis=1)])
    np.testing.assert_array_equal(masks(pictures), head(pictures))


def test_no_head_is_an_empty_mask() -> None:
    assert not masks(np.full((1, 64, 64), BACKGROUND)).any()
