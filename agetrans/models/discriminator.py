"""The conditional multilayer projection (CMP) discriminator."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from stylegan2_ops import EqualizedConv2D, EqualizedDense, minibatch_stddev

from .spectrum import spectrum

LEVELS = (32, 16, 8, 4)
"""Sides in pixels of the features that there are; by default all are judged."""
WIDTHS = {64: 48, 32: 96, 16: 128, 8: 192, 4: 192}
"""Channels at each side."""


class Discriminator(keras.Model):
    """Judges pictures at several levels, each projected on the target age, and reads the age group.

    AgeTransGAN's CMP discriminator as far as its authors describe it: features of several layers, each fused with
    the age label by projection (Miyato and Koyama, 2018), and an age classifier on the last. Patch scores: every
    position of a level is judged.

    Args:
        size: Side of the pictures, a power of two from 64.
        groups: Number of age groups.
        levels: Sides of the features that are judged, some of 32, 16, 8 and 4, falling.
        paired: Whether it judges how a source was changed, and not the picture alone.

    Call arguments:
        image: `(B, size, size, 3)` in [-1, 1].
        label: `(B, groups)`, rows sum to 1.
        source: What the picture was made from, like `image`; where it is paired.

    Returns:
        Scores `(B, levels * n)`, n the positions of the finest level, each coarser one's scores repeated to as many,
        so that a mean weighs all levels alike, and logits over groups `(B, groups)`, both float32.

    Raises:
        ValueError: If the size or the levels are none of these.
    """

    def __init__(
        self,
        size: int = 256,
        groups: int = 10,
        levels: tuple[int, ...] = LEVELS,
        paired: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if size < 64 or size & (size - 1):
            raise ValueError(f"The size must be a power of two from 64. Received: size={size}")
        self.levels = tuple(levels)
        if not self.levels or self.levels != tuple(side for side in LEVELS if side in self.levels):
            raise ValueError(f"The levels must be some of {LEVELS}, falling. Received: levels={levels}")
        self.size, self.groups, self.paired = size, groups, paired
        policy = {"dtype": self.dtype_policy}
        self.halvings = int(math.log2(size // 64))
        self.stem = EqualizedConv2D(WIDTHS[64], 3, activation="scaled_leaky_relu", name="stem", **policy)
        self.downs = [
            EqualizedConv2D(
                WIDTHS[side], 3, resample="down", activation="scaled_leaky_relu", name=f"down{side}", **policy
            )
            for side in LEVELS
        ]
        self.convs = [
            EqualizedConv2D(WIDTHS[side], 3, activation="scaled_leaky_relu", name=f"conv{side}", **policy)
            for side in LEVELS
        ]
        self.scores = [EqualizedConv2D(1, 1, name=f"score{side}", **policy) for side in self.levels]
        self.embeddings = [
            EqualizedDense(WIDTHS[side], use_bias=False, name=f"embedding{side}", **policy)
            for side in self.levels
        ]
        self.classify = EqualizedDense(groups, name="classify", **policy)
        self.build()

    def build(self, input_shape: Any = None) -> None:
        self.stem.build((None, 64, 64, 3 * 4**self.halvings * (1 + self.paired)))
        width = WIDTHS[64]
        for i, side in enumerate(LEVELS):
            self.downs[i].build((None, 2 * side, 2 * side, width))
            width = WIDTHS[side]
            self.convs[i].build((None, side, side, width + (side == LEVELS[-1])))
        for side, score, embedding in zip(self.levels, self.scores, self.embeddings, strict=True):
            score.build((None, side, side, WIDTHS[side]))
            embedding.build((None, self.groups))
        self.classify.build((None, width))
        self.built = True

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "size": self.size,
            "groups": self.groups,
            "levels": self.levels,
            "paired": self.paired,
        }

    def call(self, image: Any, label: Any, source: Any = None) -> tuple[Any, Any]:
        return self.judge(self.features(image, source), label)

    def features(self, image: Any, source: Any = None) -> list[Any]:
        """Features of a picture at sides 32, 16, 8 and 4, `(B, side, side, channels)`; arguments as in a call."""
        bands = [spectrum(image, self.halvings)]
        if self.paired:
            bands.append(2.0 * spectrum(image - source, self.halvings))
        x = self.stem(ops.cast(ops.concatenate(bands, axis=-1), self.compute_dtype))
        features = []
        for i, side in enumerate(LEVELS):
            x = self.downs[i](x)
            x = self.convs[i](minibatch_stddev(x) if side == LEVELS[-1] else x)
            features.append(x)
        return features

    def judge(self, features: list[Any], label: Any) -> tuple[Any, Any]:
        """What a call returns, from features of `features`."""
        scores = []
        for level, side in enumerate(self.levels):
            x = features[LEVELS.index(side)]
            embedding = self.embeddings[level](ops.cast(label, x.dtype))[:, None, None, :]
            projection = ops.sum(x * embedding, axis=-1, keepdims=True) / math.sqrt(x.shape[-1])
            score = ops.cast(self.scores[level](x) + projection, "float32")
            score = ops.reshape(score, (-1, side * side))
            scores.append(ops.repeat(score, (self.levels[0] // side) ** 2, axis=-1))
        logits = self.classify(ops.mean(features[-1], axis=(1, 2)))
        return ops.concatenate(scores, axis=-1), ops.cast(logits, "float32")
