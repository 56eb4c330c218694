"""A small age estimator for framed faces: the teacher's ruler and the trainer's age critic."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from agetrans.groups import MAX_AGE

AGES = MAX_AGE + 1
"""Ages 0 to 100 in years, one logit each."""
STAGES = ((64, 2), (128, 2), (256, 2))
"""Channels and residual blocks of each stage; every stage halves the side."""
CHANNELS_LAST = "channels_last"


class ResidualBlock(layers.Layer):
    """Two 3x3 convolutions with batch normalisation and a skip (He et al., 2016).

    Args:
        filters: Number of output channels.
        stride: 1, or 2 to halve the size: the skip is then averaged and convolved.

    Call arguments:
        x: `(B, H, W, C)`.
        training: Whether the batch's own statistics normalise it.

    Returns:
        `(B, H / stride, W / stride, filters)`.
    """

    def __init__(self, filters: int, stride: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        policy = {"dtype": self.dtype_policy}
        self.stride = stride
        self.conv1 = layers.Conv2D(filters, 3, stride, "same", CHANNELS_LAST, use_bias=False, **policy)
        self.norm1 = layers.BatchNormalization(momentum=0.95, **policy)
        self.conv2 = layers.Conv2D(filters, 3, 1, "same", CHANNELS_LAST, use_bias=False, **policy)
        self.norm2 = layers.BatchNormalization(momentum=0.95, gamma_initializer="zeros", **policy)
        self.shortcut = layers.Conv2D(filters, 1, data_format=CHANNELS_LAST, **policy) if stride > 1 else None

    def build(self, input_shape: Any) -> None:
        self.conv1.build(input_shape)
        inner = self.conv1.compute_output_shape(input_shape)
        self.conv2.build(inner)
        self.norm1.build(inner)
        self.norm2.build(inner)
        if self.shortcut is not None:
            self.shortcut.build(input_shape)

    def call(self, x: Any, training: bool = False) -> Any:
        y = ops.relu(self.norm1(self.conv1(x), training=training))
        y = self.norm2(self.conv2(y), training=training)
        if self.shortcut is not None:
            x = self.shortcut(ops.average_pool(x, self.stride, data_format=CHANNELS_LAST))
        return ops.relu(x + y)


class AgeEstimator(keras.Model):
    """Age and gender from a face in the `ffhq` framing, the age as a distribution over years.

    Args:
        latent_size: Width of a second head that is trained to read the teacher's latent, which teaches the
            features faces before they learn ages; 0 for none.

    Call arguments:
        image: `(B, 256, 256, 3)` RGB in [-1, 1], framed "ffhq". The inner three quarters are read, at 64 pixels.

    Returns:
        Dict: `logits` `(B, 101)` float32 over years; `male` `(B, 1)` float32, a logit; `features`, the activations
        after each stage, in the compute dtype; `latent` `(B, latent_size)` float32 where there is such a head.
    """

    def __init__(self, latent_size: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.latent_size = latent_size
        policy = {"dtype": self.dtype_policy}
        self.stem = layers.Conv2D(32, 5, 2, "same", CHANNELS_LAST, use_bias=False, name="stem", **policy)
        self.stem_norm = layers.BatchNormalization(momentum=0.95, name="stem_norm", **policy)
        self.stages = [
            [
                ResidualBlock(filters, 2 if i == 0 else 1, name=f"stage{s}_{i}", **policy)
                for i in range(blocks)
            ]
            for s, (filters, blocks) in enumerate(STAGES)
        ]
        self.years = layers.Dense(AGES, dtype="float32", name="years")
        self.male = layers.Dense(1, dtype="float32", name="male")
        self.latent = layers.Dense(latent_size, dtype="float32", name="latent") if latent_size else None
        self.build()

    def build(self, input_shape: Any = None) -> None:
        shape: Any = (None, 64, 64, 3)
        self.stem.build(shape)
        shape = self.stem.compute_output_shape(shape)
        self.stem_norm.build(shape)
        for blocks in self.stages:
            for block in blocks:
                block.build(shape)
                shape = block.conv1.compute_output_shape(shape)
        self.years.build((None, 4 * shape[-1]))
        self.male.build((None, 4 * shape[-1]))
        if self.latent is not None:
            self.latent.build((None, 4 * shape[-1]))
        self.built = True

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "latent_size": self.latent_size}

    def call(self, image: Any, training: bool = False) -> dict[str, Any]:
        return self.read(
            ops.average_pool(image[:, 32:224, 32:224], 3, data_format=CHANNELS_LAST), training=training
        )

    def read(self, face: Any, training: bool = False) -> dict[str, Any]:
        """The outputs of `call` for the inner three quarters of a framed picture: `(B, 64, 64, 3)`."""
        x = ops.cast(face, self.compute_dtype)
        x = ops.relu(self.stem_norm(self.stem(x), training=training))
        features = []
        for blocks in self.stages:
            for block in blocks:
                x = block(x, training=training)
            features.append(x)
        side, channels = x.shape[1], x.shape[-1]
        quarters = ops.reshape(x, (-1, 2, side // 2, 2, side // 2, channels))
        pooled = ops.cast(ops.reshape(ops.mean(quarters, axis=(2, 4)), (-1, 4 * channels)), "float32")
        outputs = {"logits": self.years(pooled), "male": self.male(pooled), "features": features}
        if self.latent is not None:
            outputs["latent"] = self.latent(pooled)
        return outputs


def expected_age(logits: Any) -> Any:
    """Mean of the softmax over years (DEX, Rothe et al., 2015).

    Args:
        logits: `(B, 101)` float32.

    Returns:
        `(B,)` float32, 0 to 100 years.
    """
    return ops.sum(ops.softmax(logits) * ops.arange(logits.shape[-1], dtype="float32"), axis=-1)
