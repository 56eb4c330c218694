from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from agetrans.faces import Face, FaceNotFound, choose_face, find_faces, framing_matrix, similarity, warp
from agetrans.faces.face import SMALLEST_SHARE, SMALLEST_WIDTH
from agetrans.faces.landmarks68 import five_points

GOLDEN = Path(__file__).parents[3] / "shared" / "golden" / "agetransgan"


@pytest.mark.parametrize("size", [256, 1024])
def test_framing_is_the_authors(size: int) -> None:
    if not GOLDEN.is_dir():
        pytest.skip("golden/agetransgan is not beside the repository")
    golden = np.load(GOLDEN / "framing.npz")
    for points, expected in zip(golden["five_points_padded"], golden[f"matrix_{size}"], strict=True):
        matrix = framing_matrix(points - 200, "agetransgan", size)
        matrix[:, 2] -= matrix[:, :2] @ (200, 200)
        np.testing.assert_allclose(matrix, expected, rtol=0, atol=1e-6)


def test_similarity_is_umeyama() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = rng.normal(size=(2, 5, 2))
        x, y = a - a.mean(0), b - b.mean(0)
        u, d, vt = np.linalg.svd(y.T @ x)
        signs = np.array([1, np.sign(np.linalg.det(u @ vt))])
        linear = (d * signs).sum() / (x**2).sum() * (u * signs) @ vt
        expected = np.column_stack([linear, b.mean(0) - linear @ a.mean(0)])
        np.testing.assert_allclose(similarity(a, b), expected, atol=1e-12)
    with pytest.raises(ValueError, match="one place"):
        similarity(np.ones((5, 2)), b)


def test_warp_is_exact() -> None:
    picture = np.random.default_rng(0).integers(100, 256, (40, 50, 3), dtype=np.uint8)
    np.testing.assert_array_equal(warp(picture, np.eye(2, 3), 40), picture[:, :40])
    shift = np.array([[1.0, 0, -7], [0, 1, -3]])
    np.testing.assert_array_equal(warp(picture, shift, 37), picture[3:, 7:44])
    half = np.array([[0.5, 0, -0.25], [0, 0.5, -0.25]])
    means = picture[:, :40].reshape(20, 2, 20, 2, 3).mean((1, 3))
    np.testing.assert_allclose(warp(picture, half, 20), means, atol=1)
    assert warp(picture, np.array([[1.0, 0, 30], [0, 1, 30]]), 90).min() >= 90  # no black wedge


def bilinear(picture: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """Each pixel of the crop from its four neighbours, black beyond the edge; float64."""
    inverse = np.linalg.inv(np.vstack([matrix, (0, 0, 1)]))
    crop = np.zeros((size, size, 3))
    for v, u in np.ndindex(size, size):
        x, y, _ = inverse @ (u, v, 1)
        for j in (int(np.floor(y)), int(np.floor(y)) + 1):
            for i in (int(np.floor(x)), int(np.floor(x)) + 1):
                if 0 <= j < len(picture) and 0 <= i < picture.shape[1]:
                    crop[v, u] += (1 - abs(x - i)) * (1 - abs(y - j)) * picture[j, i]
    return crop


def test_warp_of_the_authors_is_bilinear_and_black_outside() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (30, 24, 3), dtype=np.uint8)
    for matrix in ([[0.9, 0.3, 4.2], [-0.3, 0.9, 11.7]], [[0.31, 0, 8.3], [0, 0.31, 9.1]]):
        crop = warp(picture, np.array(matrix), 32, "agetransgan")
        # OpenCV 4 rounds coordinates to 1/32 pixel.
        tolerance = 1 if cv2.__version__.startswith("5") else 16
        np.testing.assert_allclose(crop, bilinear(picture, np.array(matrix), 32), atol=tolerance)
        assert (crop[0, 0] == 0).all()


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="golden/agetransgan is not beside the repository")
def test_crop_is_the_authors() -> None:
    golden = np.load(GOLDEN / "crop.npz")
    points = five_points(golden["landmarks"], "agetransgan")
    crop = warp(golden["picture_bgr"], framing_matrix(points, "agetransgan", 256), 256, "agetransgan")
    differences = [np.abs(crop.astype(int) - golden[f"crop_256_bgr_opencv{version}"]) for version in (4, 5)]
    assert min(difference.max() for difference in differences) == 0


def test_warp_of_a_pixel() -> None:
    crop = warp(np.full((1, 1, 3), 77, np.uint8), np.array([[30.0, 0, 20], [0, 30, 20]]), 64)
    np.testing.assert_array_equal(crop, np.full((64, 64, 3), 77))


def test_face_is_found_and_its_mirror(portrait: np.ndarray) -> None:
    (face,), (mirrored,) = find_faces(portrait), find_faces(portrait[:, ::-1])
    np.testing.assert_allclose(face.points[:2], [[101.4, 50], [122.9, 51.5]], atol=2)
    points = mirrored.points[[1, 0, 2, 4, 3]]
    points[:, 0] = portrait.shape[1] - 1 - points[:, 0]
    np.testing.assert_allclose(points, face.points, atol=0.08 * 21.5)


@pytest.mark.parametrize("shape", [(1, 1), (32, 32), (12, 4000), (200, 200)])
def test_no_face_in_noise_or_flat(shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert find_faces(noise) == find_faces(np.full_like(noise, 128)) == []


def small_in_large(
    portrait: np.ndarray, width: int, canvas: tuple[int, int], spot: tuple[int, int]
) -> np.ndarray:
    """A large smooth picture with the portrait in it, its face so many pixels wide."""
    factor = width / find_faces(portrait)[0].box[2]
    small = cv2.resize(portrait, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    coarse = np.random.default_rng(0).integers(0, 256, (9, 12, 3)).astype(np.uint8)
    picture = cv2.resize(coarse, canvas, interpolation=cv2.INTER_CUBIC)
    x, y = spot
    picture[y : y + len(small), x : x + small.shape[1]] = small
    return picture


@pytest.mark.parametrize(("canvas", "spot"), [((4000, 3000), (2411, 1003)), ((1600, 1200), (405, 607))])
def test_the_smallest_face_that_is_promised_is_found(
    canvas: tuple[int, int], spot: tuple[int, int], portrait: np.ndarray
) -> None:
    width = int(max(SMALLEST_WIDTH, max(canvas) / SMALLEST_SHARE))
    (face,) = find_faces(small_in_large(portrait, width, canvas, spot))
    own = find_faces(portrait)[0]
    factor = width / own.box[2]
    expected = (own.points + 0.5) * factor - 0.5 + spot
    np.testing.assert_allclose(face.points, expected, atol=0.08 * width)
    assert face.box[2] == pytest.approx(width, rel=0.2)


def test_a_face_in_the_first_copy_is_enough(portrait: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agetrans.faces.finder.SECOND_SIDE", 16)  # nobody is that small
    picture = small_in_large(portrait, 200, (2000, 1500), (100, 50))
    assert len(find_faces(picture)) == 1


def test_choose_face() -> None:
    faces = [Face((0, 0, n, n), np.zeros((5, 2)), 1.0) for n in (9.0, 5.0)]
    assert choose_face(faces) == faces[:1]
    assert choose_face(faces, "all") == faces
    assert choose_face(faces, "1") == choose_face(faces, 1) == faces[1:]
    with pytest.raises(FaceNotFound, match="0 to 1"):
        choose_face(faces, 2)
    with pytest.raises(FaceNotFound, match="at least 40 pixels and 1/80 of"):
        choose_face([])
    with pytest.raises(ValueError, match="'largest', 'all'"):
        choose_face(faces, "best")
