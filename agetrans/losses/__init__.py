"""Losses: one documented function each, without state. Pictures are `(B, H, W, 3)` in [-1, 1], labels `(B, G)`."""

from __future__ import annotations

from agetrans.losses.adversarial import (
    discriminator_least_squares,
    discriminator_logistic,
    generator_least_squares,
    generator_logistic,
    path_length_penalty,
    path_lengths,
    r1_penalty,
)
from agetrans.losses.age import age_cross_entropy, age_distribution, group_cross_entropy
from agetrans.losses.change import displacement_error, mask_cross_entropy
from agetrans.losses.identity import feature_error, squared_error, triplet
from agetrans.losses.picture import gradient_error, weighted_error

__all__ = [
    "age_cross_entropy",
    "age_distribution",
    "discriminator_least_squares",
    "discriminator_logistic",
    "displacement_error",
    "feature_error",
    "generator_least_squares",
    "generator_logistic",
    "gradient_error",
    "group_cross_entropy",
    "mask_cross_entropy",
    "path_length_penalty",
    "path_lengths",
    "r1_penalty",
    "squared_error",
    "triplet",
    "weighted_error",
]
