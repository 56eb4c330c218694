"""The protocol's small parts: rising ages, rank correlation, kernel distance, runs, and reframing."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from agetrans.evaluation.distance import kernel_distance, kernel_distance_estimate
from agetrans.evaluation.estimators import ResNetEstimator
from agetrans.evaluation.protocol import rank_correlations, reframed, rises
from agetrans.evaluation.runs import STEPS, run_figures, steps_of
from agetrans.faces.framing import AGETRANSGAN_TEMPLATES


def test_one_halt_or_small_fall_is_forgiven() -> None:
    ages = np.array(
        [[1.0, 5, 9, 20], [1, 5, 4, 20], [1, 5, 2.5, 20], [2, 1, 0.5, 20], [7, 7, 7, 7], [1, 2, np.nan, 4]]
    )
    np.testing.assert_array_equal(rises(ages), [1, 1, 0, 0, 0, np.nan])


def test_rank_correlation_is_spearmans() -> None:
    # By the textbook: 1 - 6 * sum of squared rank differences / (n (n^2 - 1)), without ties.
    ages = np.array(
        [[3.0, 9, 8, 20, 40], [40, 20, 9, 8, 3], [5, 5, 5, 5, 5], [1, 2, 2, 4, 5], [1, 2, np.nan, 4, 5]]
    )
    np.testing.assert_allclose(rank_correlations(ages), [1 - 6 * 2 / 120, -1, 0, 0.974679, np.nan], atol=1e-6)


def test_the_kernel_distance_is_that_of_the_definition() -> None:
    random = np.random.default_rng(0)
    made, real = random.normal(size=(5, 3)), random.normal(0.3, 1, size=(4, 3))

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return float((a @ b / 3 + 1) ** 3)

    within = [
        np.mean([kernel(x[i], x[j]) for i in range(len(x)) for j in range(len(x)) if i != j])
        for x in (made, real)
    ]
    between = np.mean([kernel(a, b) for a in made for b in real])
    assert kernel_distance(made, real) == pytest.approx(within[0] + within[1] - 2 * between)


def test_one_distribution_has_distance_zero_and_another_has_not() -> None:
    random = np.random.default_rng(1)

    def embeddings(shift: float) -> np.ndarray:
        vectors = random.normal(size=(80, 128)) + shift
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    same, other = (
        kernel_distance_estimate(embeddings(0), embeddings(0)),
        kernel_distance_estimate(embeddings(0), embeddings(0.5)),
    )
    assert same.low < 0 < same.high
    assert other.low > same.high
    assert kernel_distance_estimate(embeddings(0)[:3], embeddings(0)).count == 0


def test_steps_of_a_run_are_those_within_the_head() -> None:
    frames = [np.full((256, 256, 3), value, np.uint8) for value in (10, 5, 15, 15)]
    for frame, corner in zip(frames, (0, 255, 0, 255), strict=True):
        frame[:20, :20] = corner
    np.testing.assert_allclose(steps_of(frames), [5, 10, 0])


def test_figures_of_runs_are_means_over_people() -> None:
    class Runs:
        def run(self, index: int, steps: int) -> list[np.ndarray | None]:
            assert steps == STEPS
            values = np.cumsum([0, *(40 * [1]), *(10 * [3])]) if index else [0, 2, 4, 6]
            return [None, *(np.full((256, 256, 3), value, np.uint8) for value in values)]

    found = {figure.metric: figure.estimate.value for figure in run_figures(cast(Any, Runs()), 2)}
    assert found["largest_step_over_mean_step"] == pytest.approx((3 / 1.4 + 1) / 2)
    assert found["step_95th_percentile_255"] == pytest.approx((3 + 2) / 2)


def test_faces_are_reframed_as_the_estimator_wants_them() -> None:
    # A face that lies as the frontal template says, in a picture of 256 pixels, fills it the same way at 224.
    template = AGETRANSGAN_TEMPLATES[2] * 256 / 112
    points = np.zeros((68, 2))
    for part, place in zip((slice(36, 42), slice(42, 48), 30, 48, 54), template, strict=True):
        points[part] = place
    picture = np.zeros((256, 256, 3), np.uint8)
    x, y = np.rint(template[2]).astype(int)
    picture[y - 4 : y + 5, x - 4 : x + 5] = 255
    shown = reframed(picture, points, ResNetEstimator)
    assert shown.shape == (224, 224, 3)
    rows, columns = np.nonzero(shown[..., 0] > 127)
    np.testing.assert_allclose([columns.mean(), rows.mean()], AGETRANSGAN_TEMPLATES[2][2] * 2, atol=1.0)
