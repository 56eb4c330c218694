"""Where a face is put in the crop: similarity transforms for the framings of AgeTransGAN and FFHQ.

Matrices are `(2, 3)`, float64, and map picture to crop coordinates: `crop = matrix[:, :2] @ picture + matrix[:, 2]`. A
pixel's centre has integer coordinates in both.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from agetrans.framings import FRAMINGS

Matrix = npt.NDArray[np.float64]

AGETRANSGAN_PADDING = 200
"""Black pixels that AgeTransGAN adds on every side before it frames."""

# At 112 x 112 pixels: left profile, left, frontal, right, right profile; points in the order of `Face.points`.
AGETRANSGAN_TEMPLATES = np.array(
    [
        [[51.642, 50.115], [57.617, 49.990], [35.740, 69.007], [51.157, 89.050], [57.025, 89.702]],
        [[45.031, 50.118], [65.568, 50.872], [39.677, 68.111], [45.177, 86.190], [64.246, 86.758]],
        [[39.730, 51.138], [72.270, 51.138], [56.000, 68.493], [42.463, 87.010], [69.537, 87.010]],
        [[46.845, 50.872], [67.382, 50.118], [72.737, 68.111], [48.167, 86.758], [67.236, 86.190]],
        [[54.796, 49.990], [60.771, 50.115], [76.673, 69.007], [55.388, 89.702], [61.257, 89.050]],
    ],
    dtype=np.float32,
)


class FramingError(ValueError):
    """A face cannot be framed: its points fix no position, size and turn. The message is one sentence."""


def similarity(source: npt.ArrayLike, target: npt.ArrayLike) -> Matrix:
    """Least-squares rotation, uniform scale and translation from one set of points to another, without reflection.

    Umeyama, "Least-squares estimation of transformation parameters between two point patterns", PAMI 1991, which in the
    plane has a closed form in complex numbers.

    Args:
        source: `(N, 2)` points, N at least 2.
        target: `(N, 2)` points, in the same order. Means keep the given precision.

    Returns:
        `(2, 3)` matrix that maps source to target.

    Raises:
        FramingError: Points are not finite, or all source or all target points are one.
        ValueError: The shapes are others.
    """
    source, target = np.asarray(source), np.asarray(target)
    if source.shape != target.shape or source.ndim != 2 or source.shape[1] != 2 or len(source) < 2:
        raise ValueError(
            f"Two (N, 2) sets of points are needed, N at least 2. Received: {source.shape}, {target.shape}"
        )
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    a = (source - source_mean) @ np.array([1, 1j])
    b = (target - target_mean) @ np.array([1, 1j])
    spread, turn = np.vdot(a, a).real, np.vdot(a, b)
    extent = max(float(np.abs(source).max()), 1.0) * 1e-9
    if (
        not np.isfinite(spread + abs(turn))
        or np.sqrt(spread) <= extent
        or abs(turn) <= extent * np.sqrt(spread)
    ):
        raise FramingError("These points fix no rotation and scale: they lie in one place or are not finite.")
    factor = turn / spread
    linear = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return np.column_stack([linear, target_mean - linear @ source_mean])


def framing_matrix(points: npt.ArrayLike, framing: str, size: int) -> Matrix:
    """The matrix that brings a face into the framing a model was trained with.

    Args:
        points: `(5, 2)`, as `Face.points`, pixels.
        framing: "agetransgan" (best of five templates) or "ffhq".
        size: Side of the square crop in pixels.

    Returns:
        `(2, 3)` matrix, picture to crop.

    Raises:
        FramingError: The points fix no frame.
        ValueError: Unknown framing, or another shape.
    """
    points = np.asarray(points, np.float64)
    if points.shape != (5, 2):
        raise ValueError(f"Five points of shape (5, 2) are needed. Received shape: {points.shape}")
    if not np.isfinite(points).all():
        raise FramingError("The face cannot be framed: its points are not finite.")
    if framing == "agetransgan":
        return _agetransgan(points, size)
    if framing == "ffhq":
        return _ffhq(points, size)
    raise ValueError(f"Framings are {' and '.join(FRAMINGS)}. Received: {framing!r}")


def _agetransgan(points: Matrix, size: int) -> Matrix:
    padded = points + AGETRANSGAN_PADDING
    best, smallest_error = None, np.inf
    # Scaled in float32, as the authors do, to match their matrices to the last digit.
    for template in AGETRANSGAN_TEMPLATES * np.float32(size / 112):
        matrix = similarity(padded, template)
        error = np.linalg.norm(apply(matrix, padded) - template, axis=1).sum()
        if error < smallest_error:
            best, smallest_error = matrix, error
    assert best is not None
    best[:, 2] += best[:, :2] @ np.full(2, float(AGETRANSGAN_PADDING))
    return best


def _ffhq(points: Matrix, size: int) -> Matrix:
    """FFHQ's alignment (Karras, Laine, Aila, CVPR 2019, section 5 and appendix A) from eye and mouth centres."""
    left_eye, right_eye, _, left_mouth, right_mouth = points
    eyes = (left_eye + right_eye) / 2
    eye_to_eye = right_eye - left_eye
    eye_to_mouth = (left_mouth + right_mouth) / 2 - eyes
    x = eye_to_eye - eye_to_mouth[::-1] * (-1, 1)
    length = np.hypot(*x)
    if length < 1e-9:
        raise FramingError("Eyes and mouth lie in one place: these points fix no frame.")
    x *= max(np.hypot(*eye_to_eye) * 2.0, np.hypot(*eye_to_mouth) * 1.8) / length
    y = x[::-1] * (-1, 1)
    centre = eyes + eye_to_mouth * 0.1
    step_x, step_y = 2 * x / size, 2 * y / size
    first_pixel = centre - x - y + (step_x + step_y) / 2
    return invert(np.column_stack([step_x, step_y, first_pixel]))


def invert(matrix: Matrix) -> Matrix:
    """The exact inverse of a `(2, 3)` matrix."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]])


def apply(matrix: Matrix, points: npt.ArrayLike) -> Matrix:
    """Maps points `(..., 2)`."""
    return np.asarray(points, np.float64) @ matrix[:, :2].T + matrix[:, 2]
