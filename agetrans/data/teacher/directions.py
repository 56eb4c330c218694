"""Directions in the teacher's latent space that move one attribute and leave the others alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .attributes import NAMES, child_of, old_of

RIDGE = 40.0
CHILD_STEP, OLD_STEP = 1.0, 0.95
"""Share of the fitted step that is taken: full steps at the old end break the picture up."""


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

    def re_age(self, w: np.ndarray, years: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Latents of the same people at other ages.

        Args:
            w: `(N, 512)`.
            years: `(N,)` age at w.
            target: `(N,)` age wanted, on the ruler that the directions were fitted with.

        Returns:
            `(N, 512)`.
        """
        child = CHILD_STEP * (child_of(target) - child_of(years))
        old = OLD_STEP * (old_of(target) - old_of(years))
        step = np.outer(child, self.steps[:, NAMES.index("child")]) + np.outer(old, self.steps[:, NAMES.index("old")])
        return (w + step).astype(np.float32)


def fit_directions(w: np.ndarray, attributes: np.ndarray, held_out: int = 300) -> Directions:
    """Fits all attributes at once by ridge regression and turns them into latent steps.

    With S the covariance of w and B the coefficients, the steps are the columns of S B (B^T S B)^-1.

    Args:
        w: `(N, 512)`.
        attributes: `(N, 20)`, columns as in `NAMES`.
        held_out: last people that are kept from the fit, for `correlation`.
    """
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
