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


def discriminator_least_squares(real: Any, fake: Any) -> Any:
    """The discriminator's part of L_FAS: half of (D(real) - 1)^2 + D(fake)^2, means over all scores (LSGAN; MTLFace).

    Args:
        real: Scores of real pictures, any shape.
        fake: Scores of made pictures, any shape.

    Returns:
        Scalar.
    """
    return 0.5 * (ops.mean(ops.square(real - 1.0)) + ops.mean(ops.square(fake)))


def generator_least_squares(fake: Any) -> Any:
    """The generator's adversarial part of L_FAS: half of (D(fake) - 1)^2, mean over all scores (LSGAN; MTLFace).

    Args:
        fake: Scores of made pictures, any shape.

    Returns:
        Scalar.
    """
    return 0.5 * ops.mean(ops.square(fake - 1.0))


def path_lengths(gradient: Any) -> Any:
    """How far a picture moves for a step of the style, per sample (Karras et al., StyleGAN2, 2020, section 3.2).

    Args:
        gradient: `(B, style size)`, of the sum of picture times noise / side, with respect to the style.

    Returns:
        `(B,)`.
    """
    return ops.sqrt(ops.sum(ops.square(gradient), axis=-1) + 1e-8)


def path_length_penalty(lengths: Any, mean: Any) -> Any:
    """Mean squared distance of path lengths from their running mean (StyleGAN2, section 3.2).

    Args:
        lengths: `(B,)`, see `path_lengths`.
        mean: Scalar.

    Returns:
        Scalar.
    """
    return ops.mean(ops.square(lengths - mean))
