"""The age estimator that AgeTransGAN's authors judge with: a ResNet-50 with a distribution over 101 years."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from agetrans.groups import MAX_AGE

SIZE = 224
"""Side of the pictures in pixels."""
AGES = MAX_AGE + 1
STAGES = ((64, 256, 3), (128, 512, 4), (256, 1024, 6), (512, 2048, 3))
"""Inner channels, outer channels and number of blocks of the stages 2 to 5."""
EPSILON = 1e-5
CHANNELS_LAST = "channels_last"


class NormalizedConv(layers.Layer):
    """A convolution without bias and its batch normalisation.

    Args:
        filters: Number of output channels.
        side: Side of the kernel; its input is padded by `side // 2`.
        stride: Step of the convolution.

    Call arguments:
        x: `(B, H, W, C)`.

    Returns:
        `(B, H / stride, W / stride, filters)`.
    """

    def __init__(self, filters: int, side: int, stride: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        policy = {"dtype": self.dtype_policy}
        # PyTorch pads both sides alike; "same" would pad a strided convolution more at the end.
        self.pad = side // 2
        self.conv = layers.Conv2D(filters, side, stride, "valid", CHANNELS_LAST, use_bias=False, **policy)
        self.norm = layers.BatchNormalization(epsilon=EPSILON, **policy)

    def build(self, input_shape: Any) -> None:
        self.conv.build(input_shape)
        self.norm.build((None, None, None, self.conv.filters))

    def call(self, x: Any, training: bool = False) -> Any:
        if self.pad:
            x = ops.pad(x, [[0, 0], [self.pad, self.pad], [self.pad, self.pad], [0, 0]])
        return self.norm(self.conv(x), training=training)


class Bottleneck(layers.Layer):
    """1x1 reduce, 3x3, 1x1 increase, beside a skip; the stride is in the first (He et al., 2016, as VGGFace2 has it).

    Args:
        inner: Channels of the first two convolutions.
        outer: Channels of the result.
        stride: 1 or 2.
        project: Whether a 1x1 convolution is on the skip.

    Call arguments:
        x: `(B, H, W, C)`.

    Returns:
        `(B, H / stride, W / stride, outer)`.
    """

    def __init__(self, inner: int, outer: int, stride: int, project: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        policy = {"dtype": self.dtype_policy}
        self.reduce = NormalizedConv(inner, 1, stride, **policy)
        self.middle = NormalizedConv(inner, 3, **policy)
        self.increase = NormalizedConv(outer, 1, **policy)
        self.project = NormalizedConv(outer, 1, stride, **policy) if project else None

    def build(self, input_shape: Any) -> None:
        inner = (None, None, None, self.reduce.conv.filters)
        self.reduce.build(input_shape)
        self.middle.build(inner)
        self.increase.build(inner)
        if self.project is not None:
            self.project.build(input_shape)

    def call(self, x: Any, training: bool = False) -> Any:
        y = ops.relu(self.reduce(x, training=training))
        y = ops.relu(self.middle(y, training=training))
        y = self.increase(y, training=training)
        skip = x if self.project is None else self.project(x, training=training)
        return ops.relu(y + skip)


class AgeResNet50(keras.Model):
    """Age as a distribution over years, from a ResNet-50 in the layout of Oxford's VGGFace2 release.

    Call arguments:
        image: `(B, 224, 224, 3)` **B, G, R** from 0 to 255 without any normalisation, as the authors' program feeds it.

    Returns:
        Dict: `logits` `(B, 101)` float32 over years; `pooled` `(B, 2048)`, the mean of the last stage; `stages`, the
        activations after the first pooling and each stage.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        policy = {"dtype": self.dtype_policy}
        self.stem = NormalizedConv(64, 7, 2, name="stem", **policy)
        self.stages = [
            [
                Bottleneck(
                    inner, outer, 2 if s > 0 and b == 0 else 1, b == 0, name=f"stage{s + 2}_{b + 1}", **policy
                )
                for b in range(blocks)
            ]
            for s, (inner, outer, blocks) in enumerate(STAGES)
        ]
        self.years = layers.Dense(AGES, dtype="float32", name="years")
        self.build()

    def build(self, input_shape: Any = None) -> None:
        self.stem.build((None, SIZE, SIZE, 3))
        channels = 64
        for blocks in self.stages:
            for block in blocks:
                block.build((None, None, None, channels))
                channels = block.increase.conv.filters
        self.years.build((None, channels))
        self.built = True

    def call(self, image: Any, training: bool = False) -> dict[str, Any]:
        x = ops.relu(self.stem(ops.cast(image, self.compute_dtype), training=training))
        # Ceil mode without padding: the last window hangs over the edge by one; after ReLU a zero changes no maximum.
        x = ops.pad(x, [[0, 0], [0, 1], [0, 1], [0, 0]])
        x = ops.max_pool(x, 3, 2, padding="valid", data_format=CHANNELS_LAST)
        stages = [x]
        for blocks in self.stages:
            for block in blocks:
                x = block(x, training=training)
            stages.append(x)
        pooled = ops.cast(ops.mean(x, axis=(1, 2)), "float32")
        return {"logits": self.years(pooled), "pooled": pooled, "stages": stages}
