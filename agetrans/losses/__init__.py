"""Losses: one documented function each, without state. Pictures are `(B, H, W, 3)` in [-1, 1], labels `(B, G)`."""

from __future__ import annotations

from agetrans.losses.adversarial import discriminator_logistic, generator_logistic, r1_penalty
from agetrans.losses.age import age_cross_entropy, age_distribution, group_cross_entropy
from agetrans.losses.change import displacement_error, mask_cross_entropy
from agetrans.losses.picture import gradient_error, weighted_error

__all__ = [
    "age_cross_entropy",
    "age_distribution",
    "discriminator_logistic",
    "displacement_error",
    "generator_logistic",
    "gradient_error",
    "group_cross_entropy",
    "mask_cross_entropy",
    "r1_penalty",
    "weighted_error",
]
