"""The logistic adversarial losses of StyleGAN2 and the R1 penalty."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import ops

from agetrans.training.autodiff import input_gradient


def discriminator_logistic(real: Any, fake: Any) -> Any:
    """softplus(-D(real)) + softplus(D(fake)), means over all scores."""
    return ops.mean(ops.softplus(-real)) + ops.mean(ops.softplus(fake))


def generator_logistic(fake: Any) -> Any:
    """Non-saturating loss softplus(-D(fake)), mean over all scores (Goodfellow et al., 2014)."""
    return ops.mean(ops.softplus(-fake))


def r1_penalty(score: Callable[[Any], Any], real: Any) -> Any:
    """Half the squared norm of the score's gradient at real pictures, mean over the batch (Mescheder et al., 2018).

    Args:
        score: pictures `(B, H, W, C)` to scores of any shape; samples must not mix.
        real: `(B, H, W, C)`.
    """
    gradient = input_gradient(score, real)
    return 0.5 * ops.mean(ops.sum(ops.square(gradient), axis=(1, 2, 3)))
