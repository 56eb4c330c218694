"""MTLFace's face synthesis: identity features and an age group to a picture, and who judges it."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from agetrans.models.icm import IdentityConditionalModule
from agetrans.recognition.backbones import BuiltByCalling, Conv, batch_norm, prelu


class _Block(BuiltByCalling, layers.Layer):
    """Twice BN, PReLU, Conv 3x3."""

    def __init__(self, filters: int) -> None:
        super().__init__()
        self.norms = [batch_norm(), batch_norm()]
        self.slopes = [prelu(), prelu()]
        self.convs = [Conv(filters, 3, use_bias=True), Conv(filters, 3, use_bias=True)]

    def call(self, x: Any, training: bool = False) -> Any:
        for norm, slope, conv in zip(self.norms, self.slopes, self.convs, strict=True):
            x = conv(slope(norm(x, training=training)))
        return x


class UpStage(BuiltByCalling, layers.Layer):
    """One stage of the decoder: twice the side, joined with a map of the encoder."""

    def __init__(self, filters: int) -> None:
        super().__init__()
        self.first, self.second = _Block(filters), _Block(filters)
        self.shortcut = Conv(filters, 1, use_bias=True)

    def call(self, x: Any, skip: Any, training: bool = False) -> Any:
        size = tuple(skip.shape[1:3])
        x = ops.image.resize(x, size, interpolation="bilinear", data_format="channels_last")
        y = self.first(ops.concatenate([x, skip], axis=-1), training=training) + self.shortcut(x)
        return y + self.second(y, training=training)


class FaceSynthesis(BuiltByCalling, keras.Model):
    """MTLFace's generator on top of its encoder (Huang et al., CVPR 2021, section 3.2).

    The identity conditional module is `agetrans.models.icm`: an eighth of a group's kernels shared with each neighbour,
    no norm that would mix the groups of a batch.

    Args:
        groups: Number of age groups.
        width: Channels of the encoder's first level.
        units: Channels of each age group; None for twice the width, the authors' 128 at width 64.

    Call arguments:
        image: `(B, H, W, 3)` in [-1, 1].
        identity: identity features `(B, H/16, W/16, 8 width)`.
        maps: maps of the encoder's backbone, finest first.
        label: `(B, groups)`, rows sum to 1.
        training: Whether batch statistics are used and moved.

    Returns:
        The aged face `(B, H, W, 3)` in [-1, 1].
    """

    def __init__(self, groups: int, width: int = 64, units: int | None = None) -> None:
        super().__init__()
        self.icm = IdentityConditionalModule(groups, units or 2 * width, blocks=4)
        self.leave = Conv(8 * width, 1, use_bias=True)
        self.stages = [UpStage(filters) for filters in (4 * width, 2 * width, width, max(1, width // 2))]
        self.to_picture = Conv(3, 1, use_bias=True)

    def call(self, image: Any, identity: Any, maps: Any, label: Any, training: bool = False) -> Any:
        by_group = self.icm(identity)
        x = self.leave(ops.sum(by_group * label[:, :, None, None, None], axis=1))
        for stage, skip in zip(self.stages, (maps[3], maps[2], maps[1], image), strict=True):
            x = stage(x, skip, training=training)
        return bounded(image + self.to_picture(x))


def make_face_synthesis(size: tuple[int, int], width: int, groups: int) -> FaceSynthesis:
    """The generator on top of an encoder of that size and width, with all its variables."""
    network = FaceSynthesis(groups, width)
    height, breadth = size
    maps = [
        ops.zeros((1, height >> level, breadth >> level, channels * width))
        for level, channels in enumerate((1, 1, 2, 4, 8))
    ]
    network(ops.zeros((1, height, breadth, 3)), maps[-1], maps, ops.zeros((1, groups)))
    return network


def bounded(x: Any) -> Any:
    """Clipped to [-1, 1]; gradients pass as if it were not, so that a pixel outside finds its way back."""
    return x + ops.stop_gradient(ops.clip(x, -1.0, 1.0) - x)


class PatchDiscriminator(BuiltByCalling, keras.Model):
    """MTLFace's conditional patch discriminator: spectral norms inside, the label as planes after the first layer.

    Args:
        width: Channels of the first layer.

    Call arguments:
        x: `(B, H, W, 3)` in [-1, 1].
        label: `(B, groups)`.
        training: Whether the spectral norms take a step.

    Returns:
        `(B, H/16 - 2, W/16 - 2, 1)`, 1 for real under the least-squares game.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.enter = Conv(width, 4, 2, use_bias=True)
        plans = [(2 * width, 2), (4 * width, 2), (8 * width, 2), (8 * width, 1)]
        self.convs = [
            layers.SpectralNormalization(layers.Conv2D(filters, 4, strides=strides))
            for filters, strides in plans
        ]
        self.leave = Conv(1, 4, use_bias=True)

    def call(self, x: Any, label: Any, training: bool = False) -> Any:
        x = ops.leaky_relu(self.enter(x), 0.2)
        planes = label[:, None, None, :] * ops.ones_like(x[..., :1])
        x = ops.concatenate([x, ops.cast(planes, x.dtype)], axis=-1)
        for conv in self.convs:
            padded = ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
            x = ops.leaky_relu(conv(padded, training=training), 0.2)
        return self.leave(x)
