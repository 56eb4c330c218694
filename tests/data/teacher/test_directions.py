"""Directions fitted to made people, whose attributes are known linear functions of the latent."""

from __future__ import annotations

import numpy as np
import pytest

from agetrans.data.teacher.directions import Directions, fit_directions

LATENTS, ATTRIBUTES, PEOPLE = 24, 4, 3000


@pytest.fixture(scope="module")
def made() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Latents with a covariance, the true coefficients, and attributes that are correlated with each other."""
    random = np.random.default_rng(0)
    w = random.standard_normal((PEOPLE, LATENTS)) @ random.normal(0, 0.5, (LATENTS, LATENTS)) + 3
    coefficients = random.standard_normal((LATENTS, ATTRIBUTES))
    coefficients[:, 1] += coefficients[:, 0]
    scales = np.array([1.0, 20.0, 0.1, 5.0])
    attributes = (w @ coefficients + random.normal(0, 0.1, (PEOPLE, ATTRIBUTES))) * scales - 7
    return w, coefficients * scales, attributes


@pytest.fixture(scope="module")
def directions(made: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Directions:
    w, _, attributes = made
    return fit_directions(w, attributes)


def test_a_step_moves_its_own_attribute_by_one_and_no_other(
    made: tuple[np.ndarray, np.ndarray, np.ndarray], directions: Directions
) -> None:
    _, coefficients, attributes = made
    scale = attributes.std(axis=0)
    moved = scale[:, None] * (directions.steps.T @ coefficients) / scale
    np.testing.assert_allclose(moved, np.eye(ATTRIBUTES), atol=0.03)


def test_a_step_is_the_shortest_in_mahalanobis_length(
    made: tuple[np.ndarray, np.ndarray, np.ndarray], directions: Directions
) -> None:
    fitted = made[0][:-300]
    root = np.linalg.cholesky(np.cov(fitted.T, bias=True))
    # The least-norm solution in whitened coordinates: the other form of the same demand.
    whitened = np.linalg.pinv(directions.coefficients.T @ root)
    np.testing.assert_allclose(directions.steps, root @ whitened, atol=1e-6 * np.abs(directions.steps).max())


def test_held_out_people_are_predicted(
    made: tuple[np.ndarray, np.ndarray, np.ndarray], directions: Directions
) -> None:
    w, _, attributes = made
    error = np.abs(directions.predict(w[-300:]) - attributes[-300:]).mean(axis=0)
    assert (error < 0.1 * attributes.std(axis=0)).all()
    assert (directions.correlation > 0.98).all()


def test_the_held_out_are_not_fitted(made: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    w, _, attributes = made
    spoilt = attributes.copy()
    spoilt[500:] = np.random.default_rng(1).permutation(spoilt[500:])
    directions = fit_directions(w, spoilt, held_out=PEOPLE - 500)
    assert (np.abs(directions.correlation) < 0.1).all()
    error = np.abs(directions.predict(w[:500]) - attributes[:500]).mean(axis=0)
    assert (error < 0.1 * attributes.std(axis=0)).all()


def test_too_few_people_are_refused(made: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    w, _, attributes = made
    with pytest.raises(ValueError, match="Received: 300"):
        fit_directions(w[:300], attributes[:300])
