"""Our age estimator for framed faces: the teacher's ruler, the trainer's age critic, and a judge of age."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from agetrans.groups import MAX_AGE

AGES = MAX_AGE + 1
"""Ages 0 to 100 in years, one logit each."""
READ_SIZE = 128
"""Side in pixels at which the inner three quarters of a framed picture are read."""
STAGES = (
    (1, 16, 1, 3, 1),
    (6, 24, 2, 3, 2),
    (6, 40, 2, 5, 2),
    (6, 80, 3, 3, 2),
    (6, 112, 3, 5, 1),
    (6, 192, 4, 5, 2),
    (6, 320, 1, 3, 1),
)
"""Expansion, channels, blocks, kernel and stride of the first block of each stage (Tan and Le, 2019, Table 1)."""
STEM_CHANNELS, HEAD_CHANNELS = 32, 1280
CHANNELS_LAST = "channels_last"


def _conv(filters: int, kernel: int, stride: int, policy: Any) -> layers.Conv2D:
    return layers.Conv2D(filters, kernel, stride, "same", CHANNELS_LAST, use_bias=False, dtype=policy)


def _norm(policy: Any) -> layers.BatchNormalization:
    return layers.BatchNormalization(momentum=0.97, epsilon=1e-3, dtype=policy)


class InvertedBottleneck(layers.Layer):
    """Widens by a 1x1 convolution, filters each channel by itself, and narrows again (Sandler et al., 2018).

    Args:
        filters: Number of output channels.
        expansion: How many times wider the inside is than the input; 1 leaves the first convolution out.
        kernel: Side of the filters.
        stride: 1, or 2 to halve the size.
        dropped: Share of the pictures whose branch is left out in training where there is a skip (stochastic depth,
            Huang et al., 2016).

    Call arguments:
        x: `(B, H, W, C)`.
        training: Whether the batch's own statistics normalise it and branches are dropped.

    Returns:
        `(B, H / stride, W / stride, filters)`; the input is added where shapes agree.
    """

    def __init__(
        self, filters: int, expansion: int, kernel: int, stride: int, dropped: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self.filters, self.expansion, self.stride = filters, expansion, stride
        self.expand: Any = None
        self.expand_norm: Any = _norm(policy) if expansion > 1 else None
        self.depthwise = layers.DepthwiseConv2D(
            kernel, stride, "same", data_format=CHANNELS_LAST, use_bias=False, dtype=policy
        )
        self.depthwise_norm = _norm(policy)
        self.project = _conv(filters, 1, 1, policy)
        self.project_norm = _norm(policy)
        self.drop = layers.Dropout(dropped, noise_shape=(None, 1, 1, 1), dtype=policy)

    def build(self, input_shape: Any) -> None:
        channels = input_shape[-1]
        self.skips = self.stride == 1 and channels == self.filters
        shape = (*input_shape[:-1], channels * self.expansion)
        if self.expand_norm is not None:
            self.expand = _conv(channels * self.expansion, 1, 1, self.dtype_policy)
            self.expand.build(input_shape)
            self.expand_norm.build(shape)
        self.depthwise.build(shape)
        self.depthwise_norm.build(shape)
        self.project.build(shape)
        self.project_norm.build((*input_shape[:-1], self.filters))

    def call(self, x: Any, training: bool = False) -> Any:
        y = x
        if self.expand is not None:
            y = ops.relu6(self.expand_norm(self.expand(y), training=training))
        y = ops.relu6(self.depthwise_norm(self.depthwise(y), training=training))
        y = self.project_norm(self.project(y), training=training)
        return x + self.drop(y, training=training) if self.skips else y


class AgeEstimator(keras.Model):
    """Age and gender from a face in the `ffhq` framing, the age as a distribution over years.

    EfficientNet-Lite0 (Tan and Le, 2019, without squeeze and excitation, as its makers published it for phones) with
    two heads.

    Args:
        dropped: Share of branches left out in training at the last block, rising to it from 0 at the first.
        dropout: Share of the pooled features left out in training.

    Call arguments:
        image: `(B, 256, 256, 3)` RGB in [-1, 1], framed "ffhq". The inner three quarters are read, at 128 pixels.

    Returns:
        Dict: `logits` `(B, 101)` float32 over years; `male` `(B, 1)` float32, a logit; `features`, the activations
        after each stage, in the compute dtype.
    """

    def __init__(self, dropped: float = 0.15, dropout: float = 0.3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dropped, self.dropout = dropped, dropout
        policy = self.dtype_policy
        self.stem = _conv(STEM_CHANNELS, 3, 2, policy)
        self.stem_norm = _norm(policy)
        total, first = sum(stage[2] for stage in STAGES), 0
        self.stages = []
        for expansion, filters, blocks, kernel, stride in STAGES:
            self.stages.append(
                [
                    InvertedBottleneck(
                        filters,
                        expansion,
                        kernel,
                        stride if i == 0 else 1,
                        dropped * (first + i) / total,
                        dtype=policy,
                    )
                    for i in range(blocks)
                ]
            )
            first += blocks
        self.head = _conv(HEAD_CHANNELS, 1, 1, policy)
        self.head_norm = _norm(policy)
        self.drop = layers.Dropout(dropout, dtype="float32")
        self.years = layers.Dense(AGES, dtype="float32")
        self.male = layers.Dense(1, dtype="float32")
        self.build()

    def build(self, input_shape: Any = None) -> None:
        shape: Any = (None, READ_SIZE, READ_SIZE, 3)
        self.stem.build(shape)
        shape = self.stem.compute_output_shape(shape)
        self.stem_norm.build(shape)
        for blocks in self.stages:
            for block in blocks:
                block.build(shape)
                shape = (None, shape[1] // block.stride, shape[2] // block.stride, block.filters)
        self.head.build(shape)
        self.head_norm.build((*shape[:-1], HEAD_CHANNELS))
        self.years.build((None, HEAD_CHANNELS))
        self.male.build((None, HEAD_CHANNELS))
        self.built = True

    @property
    def dropouts(self) -> list[layers.Dropout]:
        """The layers that leave something out in training."""
        drops = [block.drop for blocks in self.stages for block in blocks]
        return [drop for drop in (*drops, self.drop) if drop.rate > 0]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "dropped": self.dropped, "dropout": self.dropout}

    def call(self, image: Any, training: bool = False) -> dict[str, Any]:
        return self.read(inner_face(image), training=training)

    def read(self, face: Any, training: bool = False) -> dict[str, Any]:
        """The outputs of `call` for the inner three quarters of a framed picture: `(B, 128, 128, 3)`."""
        x = ops.cast(face, self.compute_dtype)
        x = ops.relu6(self.stem_norm(self.stem(x), training=training))
        features = []
        for blocks in self.stages:
            for block in blocks:
                x = block(x, training=training)
            features.append(x)
        x = ops.relu6(self.head_norm(self.head(x), training=training))
        pooled = self.drop(ops.cast(ops.mean(x, axis=(1, 2)), "float32"), training=training)
        return {"logits": self.years(pooled), "male": self.male(pooled), "features": features}


def inner_face(image: Any) -> Any:
    """The inner three quarters of framed pictures `(B, 256, 256, 3)`: `(B, 128, 128, 3)` float32."""
    inner = ops.cast(image, "float32")[:, 32:224, 32:224]
    return ops.image.resize(inner, (READ_SIZE, READ_SIZE), antialias=True, data_format=CHANNELS_LAST)


def expected_age(logits: Any) -> Any:
    """Mean of the softmax over years (DEX, Rothe et al., 2015).

    Args:
        logits: `(B, 101)` float32.

    Returns:
        `(B,)` float32, 0 to 100 years.
    """
    return ops.sum(ops.softmax(logits) * ops.arange(logits.shape[-1], dtype="float32"), axis=-1)
