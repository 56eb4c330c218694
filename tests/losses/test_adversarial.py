"""The adversarial losses against NumPy, and R1 against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from agetrans.losses import discriminator_logistic, generator_logistic, r1_penalty
from agetrans.training.autodiff import input_gradient

REAL, FAKE = np.random.RandomState(0).normal(0, 3, (2, 4, 7)).astype("f")


def softplus(x: np.ndarray) -> np.ndarray:
    return np.log1p(np.exp(x.astype(np.float64)))


def test_logistic_losses() -> None:
    expected = softplus(-REAL).mean() + softplus(FAKE).mean()
    assert float(discriminator_logistic(REAL, FAKE)) == pytest.approx(expected, rel=1e-6)
    assert float(generator_logistic(FAKE)) == pytest.approx(softplus(-FAKE).mean(), rel=1e-6)


def test_logistic_losses_stay_finite_at_extreme_scores() -> None:
    extreme = np.array([-1e4, 1e4], "f")
    assert float(generator_logistic(extreme)) == pytest.approx(5e3)


def test_r1_is_half_the_squared_slope_of_each_pictures_score() -> None:
    stream = np.random.RandomState(1)
    pictures, kernel = stream.standard_normal((3, 4, 5, 2)), stream.standard_normal((4, 5, 2))

    def score(x: np.ndarray) -> np.ndarray:
        return np.tanh((x * kernel).sum(axis=(1, 2, 3)) / 3)

    squares, step = np.zeros(3), 1e-5
    for place in np.ndindex(4, 5, 2):
        ahead, behind = pictures.copy(), pictures.copy()
        ahead[(slice(None), *place)] += step
        behind[(slice(None), *place)] -= step
        squares += ((score(ahead) - score(behind)) / (2 * step)) ** 2
    gradient = input_gradient(
        lambda x: ops.tanh(ops.sum(ops.multiply(x, kernel.astype("f")), axis=(1, 2, 3)) / 3),
        pictures.astype("f"),
    )
    assert float(r1_penalty(gradient)) == pytest.approx(0.5 * squares.mean(), rel=1e-4)
