"""Attention-based feature decomposition (AFD): features split into an age part and an identity part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from stylegan2_ops import EqualizedConv2D, EqualizedDense

PYRAMID_GRIDS = (1, 2, 3)
"""Cells a side of the grids that features are pooled over."""


def adaptive_windows(size: int, cells: int) -> list[tuple[int, int]]:
    """Half-open windows of adaptive pooling: cell i covers floor(i n / k) to ceil((i + 1) n / k)."""
    return [(i * size // cells, -(-(i + 1) * size // cells)) for i in range(cells)]


def pyramid_pool(x: Any, reduce: Callable[..., Any]) -> Any:
    """Spatial pyramid pooling over grids of 1, 2 and 3 cells a side (He et al., 2014).

    Args:
        x: features `(B, H, W, C)`, height and width static.
        reduce: `ops.mean` or `ops.max`.

    Returns:
        `(B, 14 C)`: grid by grid, each row by row, channels last.
    """
    height, width = x.shape[1:3]
    cells = [
        reduce(x[:, top:bottom, left:right], axis=(1, 2))
        for grid in PYRAMID_GRIDS
        for top, bottom in adaptive_windows(height, grid)
        for left, right in adaptive_windows(width, grid)
    ]
    return ops.concatenate(cells, axis=-1)


class FeatureDecomposition(keras.layers.Layer):
    """AFD of MTLFace (Huang, Zhang and Shan, CVPR 2021, section 3.1): X = X * a (age) + X * (1 - a) (identity).

    The attention a is the mean of a channel attention (pyramid pooling, average plus maximum, bottleneck) and a
    spatial attention (7x7 convolution of the maximum and the mean over channels), each with its own sigmoid. Without
    batch normalisation: its statistics would mix synthetic people and photographs.

    Args:
        reduction: Width of the pooled features over that of the bottleneck.

    Call arguments:
        x: `(B, H, W, C)`, height and width static.

    Returns:
        The pair (identity, age), each `(B, H, W, C)`; their sum is x.
    """

    def __init__(self, reduction: int = 16, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reduction = reduction

    def build(self, input_shape: tuple[Any, ...]) -> None:
        channels = input_shape[-1]
        pooled = sum(grid * grid for grid in PYRAMID_GRIDS) * channels
        squeezed = pooled // self.reduction
        self.squeeze = EqualizedDense(squeezed, activation="scaled_leaky_relu", dtype=self.dtype_policy)
        self.squeeze.build((None, pooled))
        self.excite = EqualizedDense(channels, dtype=self.dtype_policy)
        self.excite.build((None, squeezed))
        self.spatial = EqualizedConv2D(1, 7, dtype=self.dtype_policy)
        self.spatial.build((*input_shape[:-1], 2))

    def call(self, x: Any) -> tuple[Any, Any]:
        pooled = pyramid_pool(x, ops.mean) + pyramid_pool(x, ops.max)
        channel = ops.sigmoid(self.excite(self.squeeze(pooled)))[:, None, None, :]
        planes = ops.concatenate(
            [ops.max(x, axis=-1, keepdims=True), ops.mean(x, axis=-1, keepdims=True)], axis=-1
        )
        age = x * (0.5 * (channel + ops.sigmoid(self.spatial(planes))))
        return x - age, age
