"""Ages for recognition: groups, DEX expectation, the age head of MTLFace, and gradient reversal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from agetrans.recognition.backbones import BuiltByCalling, batch_norm

CUTS = {
    4: (30, 40, 50),
    5: (20, 30, 40, 50),
    6: (10, 20, 30, 40, 50),
    7: (10, 20, 30, 40, 50, 60),
    8: (12, 18, 25, 35, 45, 55, 65),
}
"""Last year of each age group but the oldest, by the number of groups; 7 is MTLFace's, 8 DAL's and IEFP's."""
YEARS = 101


def age_group(years: Any, cuts: Sequence[int]) -> Any:
    """Group of each age `(B,)`: how many of the cuts it exceeds, so 10.5 lies behind a cut at 10."""
    borders = ops.convert_to_tensor(list(cuts), dtype="float32")
    return ops.sum(ops.cast(ops.cast(years, "float32")[:, None] > borders, "int32"), axis=-1)


def dex_expectation(logits: Any) -> Any:
    """Expected age `(B,)` of 101 logits for 0 to 100 years (Rothe et al., IJCV 2018)."""
    shares = ops.softmax(ops.cast(logits, "float32"), axis=-1)
    return ops.sum(shares * ops.arange(logits.shape[-1], dtype="float32"), axis=-1)


def reverse_gradient(x: Any, coefficient: float = 1.0) -> Any:
    """The same numbers; gradients change their sign and are scaled (Ganin and Lempitsky, 2015)."""
    return ops.stop_gradient((1.0 + coefficient) * x) - coefficient * x


def group_loss(logits: Any, groups: Any) -> Any:
    """Mean softmax cross-entropy of age groups."""
    return ops.mean(
        keras.losses.sparse_categorical_crossentropy(groups, ops.cast(logits, "float32"), from_logits=True)
    )


class AgeHead(BuiltByCalling, layers.Layer):
    """MTLFace's age head: a map to 101 years, and these to groups.

    Args:
        groups: Number of age groups.
        features: Width of the hidden layer.

    Returns:
        The pair (years' logits `(B, 101)`, groups' logits `(B, groups)`).
    """

    def __init__(self, groups: int, features: int = 512) -> None:
        super().__init__()
        self.groups = groups
        self.norm = batch_norm()
        self.hidden = layers.Dense(features, activation="relu")
        self.years = layers.Dense(YEARS)
        self.group = layers.Dense(groups)

    def call(self, x: Any, training: bool = False) -> tuple[Any, Any]:
        x = self.norm(x, training=training)
        x = ops.reshape(x, (-1, x.shape[1] * x.shape[2] * x.shape[3]))
        years = self.years(self.hidden(x))
        return years, self.group(years)


def age_loss(logits: tuple[Any, Any], years: Any, cuts: Sequence[int]) -> Any:
    """MTLFace's age loss: squared error of the DEX age in years, plus the cross-entropy of the group."""
    by_year, by_group = logits
    error = ops.mean(ops.square(dex_expectation(by_year) - ops.cast(years, "float32")))
    return error + group_loss(by_group, age_group(years, cuts))
