"""Identity conditional module (ICM): what each age group does to an identity, kernels shared between neighbours."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from stylegan2_ops import EqualizedConv2D, scaled_leaky_relu


def group_starts(groups: int, units: int, shared: int) -> list[int]:
    """First channel of each group's slice of `units` channels; neighbours share `shared` of them."""
    return [group * (units - shared) for group in range(groups)]


def channel_count(groups: int, units: int, shared: int) -> int:
    """Channels of all groups together, shared ones counted once."""
    return groups * (units - shared) + shared


def group_slices(x: Any, groups: int, units: int, shared: int) -> list[Any]:
    """Every group's slice of the last axis: `(..., D)` to a list of `(..., units)`."""
    return [x[..., start : start + units] for start in group_starts(groups, units, shared)]


def share_corners(kernels: Any, shared: int) -> Any:
    """Ties the kernel entries that neighbouring groups share.

    Group t's kernel is the slice `[start_t, start_t + units)` of both channel axes of one large kernel; the slices
    of neighbours overlap in `shared` by `shared` entries. Each group's first corner is its lower neighbour's last.

    Args:
        kernels: `(groups, 3, 3, units, units)`; the first corners of all groups but the first are not read.
        shared: Channels that neighbours share.

    Returns:
        The kernels as they are used, same shape.
    """
    last = kernels.shape[-1] - shared
    corners = ops.concatenate([kernels[:1, ..., :shared, :shared], kernels[:-1, ..., last:, last:]], axis=0)
    first_rows = ops.concatenate([corners, kernels[..., :shared, shared:]], axis=-1)
    return ops.concatenate([first_rows, kernels[..., shared:, :]], axis=-2)


class SharedConv2D(keras.layers.Layer):
    """3x3 convolutions of all groups, neighbours sharing part of their kernels.

    Equal to a convolution over all channels followed by each group's channel mask (MTLFace's router), at a fraction
    of the cost: a group reads and writes its own slice only. One small convolution a group: on a CPU the filter
    gradient of a grouped convolution, and the gradients of batched patches, are many times slower.

    Args:
        groups: Number of age groups.
        units: Channels of each group.
        shared: Channels that neighbours share.

    Call arguments:
        x: list of one `(B, H, W, units)` a group.

    Returns:
        List of the same shapes.
    """

    def __init__(self, groups: int, units: int, shared: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.groups, self.units, self.shared = groups, units, shared

    def build(self, input_shape: Any = None) -> None:
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.groups, 3, 3, self.units, self.units),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            autocast=False,
        )
        channels = channel_count(self.groups, self.units, self.shared)
        self.bias = self.add_weight(name="bias", shape=(channels,), initializer="zeros", autocast=False)

    def call(self, x: list[Any]) -> list[Any]:
        scaled = share_corners(self.kernel, self.shared) * (1.0 / math.sqrt(9 * self.units))
        kernels = ops.unstack(ops.cast(scaled, self.compute_dtype))
        biases = group_slices(ops.cast(self.bias, self.compute_dtype), self.groups, self.units, self.shared)
        return [
            ops.conv(view, kernel, padding="same", data_format="channels_last") + bias
            for view, kernel, bias in zip(x, kernels, biases, strict=True)
        ]


class IdentityConditionalModule(keras.layers.Layer):
    """ICM of MTLFace (Huang, Zhang and Shan, CVPR 2021, section 3.2) for all age groups of a face at once.

    A 1x1 convolution, then residual identity conditional blocks; group t owns `units` channels, 1/8 of them shared
    with each neighbour, so that neighbouring ages look alike.

    Args:
        groups: Number of age groups.
        units: Channels of each group.
        blocks: Number of residual blocks of two 3x3 convolutions.
        sharing: Fraction of a group's channels that it shares with the next group, at most a half.

    Call arguments:
        x: identity features `(B, H, W, C)`.

    Returns:
        `(B, groups, H, W, units)`.
    """

    def __init__(
        self, groups: int, units: int = 32, blocks: int = 2, sharing: float = 1 / 8, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if not 0 <= sharing <= 0.5:
            raise ValueError(
                f"A group shares at most half of its channels with the next. Received: sharing={sharing}"
            )
        self.groups = groups
        self.units = units
        self.blocks = blocks
        self.shared = int(units * sharing)

    def build(self, input_shape: tuple[Any, ...]) -> None:
        channels = channel_count(self.groups, self.units, self.shared)
        self.enter = EqualizedConv2D(channels, 1, activation="scaled_leaky_relu", dtype=self.dtype_policy)
        self.enter.build(input_shape)
        self.convs = [
            SharedConv2D(self.groups, self.units, self.shared, dtype=self.dtype_policy)
            for _ in range(2 * self.blocks)
        ]
        for conv in self.convs:
            conv.build()

    def call(self, x: Any) -> Any:
        views = group_slices(self.enter(x), self.groups, self.units, self.shared)
        for first, second in zip(self.convs[::2], self.convs[1::2], strict=True):
            residuals = second([scaled_leaky_relu(view) for view in first(views)])
            views = [
                scaled_leaky_relu((view + residual) * 0.7)
                for view, residual in zip(views, residuals, strict=True)
            ]
        return ops.stack(views, axis=1)
