"""The logistic adversarial losses of StyleGAN2 and the R1 penalty."""

from __future__ import annotations

from typing import Any

from keras import ops


def discriminator_logistic(real: Any, fake: Any) -> Any:
    """The discriminator's loss softplus(-D(real)) + softplus(D(fake)), means over all scores (Goodfellow et al., 2014).

    Args:
        real: Scores of real pictures, any shape.
        fake: Scores of made pictures, any shape.

    Returns:
        Scalar.
    """
    return ops.mean(ops.softplus(-real)) + ops.mean(ops.softplus(fake))


def generator_logistic(fake: Any) -> Any:
    """The generator's non-saturating loss softplus(-D(fake)), mean over all scores (Goodfellow et al., 2014).

    Args:
        fake: Scores of made pictures, any shape.

    Returns:
        Scalar.
    """
    return ops.mean(ops.softplus(-fake))


def r1_penalty(gradient: Any) -> Any:
    """Half the squared norm of the scores' gradient at real pictures, mean over the batch (Mescheder et al., 2018).

    Args:
        gradient: `(B, H, W, C)`, of each real picture's score with respect to the picture.

    Returns:
        Scalar.
    """
    return 0.5 * ops.mean(ops.sum(ops.square(gradient), axis=(1, 2, 3)))
