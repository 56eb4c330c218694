"""Pasting back: nothing changes where nothing was changed, and what was changed arrives where it belongs."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from agetrans.faces import paste_back, warp

CASES = {
    "small face": (np.array([[3.1, 0.4, -200.0], [-0.4, 3.1, -150.0]]), 256),
    "large face": (np.array([[0.5, 0.1, -20.0], [-0.1, 0.5, 10.0]]), 128),
    "beyond the edge": (np.array([[1.5, 0.0, 60.0], [0.0, 1.5, -120.0]]), 256),
}


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    return np.clip((smooth - 128) * 2 + 118, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("case", CASES)
def test_an_unchanged_crop_leaves_the_photograph_bit_for_bit(photo: np.ndarray, case: str) -> None:
    matrix, size = CASES[case]
    np.testing.assert_array_equal(paste_back(photo, warp(photo, matrix, size), matrix), photo)


@pytest.mark.parametrize("case", CASES)
def test_pixels_outside_the_crop_stay(photo: np.ndarray, case: str) -> None:
    matrix, size = CASES[case]
    pasted = paste_back(photo, np.zeros((size, size, 3), np.uint8), matrix)
    y, x = np.mgrid[: photo.shape[0], : photo.shape[1]]
    place = np.stack([x, y], axis=-1) @ matrix[:, :2].T + matrix[:, 2]
    outside = ((place < -2) | (place > size + 1)).any(axis=-1)
    assert outside.any()
    np.testing.assert_array_equal(pasted[outside], photo[outside])
    assert (pasted != photo).any()


def test_a_change_arrives_in_the_middle_and_fades_to_the_edge(photo: np.ndarray) -> None:
    matrix, size = np.array([[2.0, 0, -200.0], [0, 2.0, -120.0]]), 256
    brighter = np.clip(warp(photo, matrix, size).astype(int) + 20, 0, 255).astype(np.uint8)
    gained = paste_back(photo, brighter, matrix).astype(int) - photo
    room = (photo > 5) & (photo < 230)
    middle = np.zeros(photo.shape[:2], bool)
    middle[85:165, 125:205] = True
    inner = gained[middle[..., None] & room]
    assert np.abs(inner - 20).max() <= 1
    rows = [gained[124 - 64 + k, 130:200][room[124 - 64 + k, 130:200]].mean() for k in (0, 2, 5, 9)]
    assert rows == sorted(rows)
    assert rows[0] < 3


def test_two_faces_are_pasted_one_after_the_other(photo: np.ndarray) -> None:
    left, right = np.array([[1.0, 0, 0], [0, 1.0, 0]]), np.array([[1.0, 0, -200.0], [0, 1.0, 0]])
    dark = np.zeros((100, 100, 3), np.uint8)
    both = paste_back(paste_back(photo, dark, left), dark, right)
    np.testing.assert_array_equal(both[:, :100], paste_back(photo, dark, left)[:, :100])
    np.testing.assert_array_equal(both[:, 200:], paste_back(photo, dark, right)[:, 200:])
