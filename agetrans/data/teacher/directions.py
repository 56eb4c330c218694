"""Directions in the teacher's latent space that move one attribute and leave the others alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RIDGE = 40.0
"""Strength of the ridge regression's penalty."""


@dataclass(frozen=True)
class Directions:
    """Latent steps per unit of each attribute.

    Attributes:
        steps: `(512, 20)`; column k is the shortest step, in Mahalanobis length, that raises attribute k by one
            and none of the others.
        coefficients: `(512, 20)` ridge regression of the attributes, and `offset` `(20,)`.
        correlation: `(20,)` of prediction and label, on held-out people.
    """

    steps: np.ndarray
    coefficients: np.ndarray
    offset: np.ndarray
    correlation: np.ndarray

    def predict(self, w: np.ndarray) -> np.ndarray:
        """Attributes `(N, 20)` of latents `(N, 512)`."""
        return w @ self.coefficients + self.offset


def fit_directions(w: np.ndarray, attributes: np.ndarray, held_out: int = 300) -> Directions:
    """Fits all attributes at once by ridge regression and turns them into latent steps.

    With S the covariance of w and B the coefficients, the steps are the columns of S B (B^T S B)^-1.

    Args:
        w: Latents `(N, 512)`.
        attributes: `(N, 20)`, columns as in `agetrans.data.teacher.attributes.NAMES`.
        held_out: Number of people, the last ones, that are kept from the fit, for `correlation`.

    Raises:
        ValueError: If there are no people to fit to.
    """
    if not 1 < held_out < len(w):
        raise ValueError(f"{held_out} people are held out of the fit, so more are needed. Received: {len(w)}")
    fitted, scale = slice(0, len(w) - held_out), attributes.std(axis=0)
    centre, offset = w[fitted].mean(axis=0), attributes[fitted].mean(axis=0)
    x, y = w[fitted] - centre, (attributes[fitted] - offset) / scale
    coefficients = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ y) * scale
    covariance = x.T @ x / len(x)
    steps = covariance @ coefficients @ np.linalg.inv(coefficients.T @ covariance @ coefficients)
    predicted = (w[-held_out:] - centre) @ coefficients
    correlation = np.array(
        [np.corrcoef(predicted[:, k], attributes[-held_out:, k])[0, 1] for k in range(attributes.shape[1])]
    )
    return Directions(steps, coefficients, offset - centre @ coefficients, correlation)
