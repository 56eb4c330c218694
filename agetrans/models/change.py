"""Applying a change (flow, delta, mask) to a photograph of any size."""

from __future__ import annotations

from typing import Any

from keras import ops


def bilinear_sample(image: Any, x: Any, y: Any) -> Any:
    """Samples a picture at fractional pixel positions; positions beyond the edge take the edge's colour.

    Args:
        image: `(B, H, W, C)` float of any precision, at least 2x2; or one picture for all positions.
        x: `(B, H', W')`, pixel centres at integers.
        y: Of the same shape.

    Returns:
        `(B, H', W', C)`. Differentiable in the positions and in the picture.
    """
    batch, height, width, channels = ops.shape(image)
    x = ops.clip(x, 0.0, width - 1.0)
    y = ops.clip(y, 0.0, height - 1.0)
    left = ops.minimum(ops.floor(x), width - 2.0)
    top = ops.minimum(ops.floor(y), height - 2.0)
    right_share = ops.cast(ops.expand_dims(x - left, -1), image.dtype)
    bottom_share = ops.cast(ops.expand_dims(y - top, -1), image.dtype)
    rows = ops.reshape(image, (-1, channels))
    first = ops.reshape(ops.arange(batch, dtype="int32") * (height * width), (-1, 1, 1))
    corner = first + ops.cast(top, "int32") * width + ops.cast(left, "int32")
    upper = (
        ops.take(rows, corner, axis=0) * (1 - right_share) + ops.take(rows, corner + 1, axis=0) * right_share
    )
    corner = corner + width
    lower = (
        ops.take(rows, corner, axis=0) * (1 - right_share) + ops.take(rows, corner + 1, axis=0) * right_share
    )
    return upper * (1 - bottom_share) + lower * bottom_share


def warp_by_flow(image: Any, flow: Any) -> Any:
    """Moves a picture: the result at p shows the picture at p + flow(p).

    Args:
        image: `(B, H, W, C)`.
        flow: `(B, H, W, 2)`, x then y, in fractions of the picture's width and height.

    Returns:
        `(B, H, W, C)`.
    """
    flow = ops.convert_to_tensor(flow)
    height, width = ops.shape(image)[1:3]
    x = ops.expand_dims(ops.arange(width, dtype="float32"), 0) + flow[..., 0] * width
    y = ops.expand_dims(ops.arange(height, dtype="float32"), 1) + flow[..., 1] * height
    return bilinear_sample(image, x, y)


def apply_change(photo: Any, change: Any) -> Any:
    """The changed photograph: mask * (warp(photo, flow) + delta) + (1 - mask) * photo.

    Args:
        photo: `(B, H, W, 3)` in [-1, 1].
        change: `(B, S, S, 6)`: flow (2, see `warp_by_flow`), delta (3), mask (1); enlarged bilinearly where the
            sizes differ.

    Returns:
        `(B, H, W, 3)` float32, at the photograph's size, not clipped. Where the mask is 0, the photograph itself.
    """
    photo, change = ops.cast(photo, "float32"), ops.cast(change, "float32")
    size = ops.shape(photo)[1:3]
    if tuple(size) != tuple(ops.shape(change)[1:3]):
        change = ops.image.resize(change, size, interpolation="bilinear", data_format="channels_last")
    flow, delta, mask = change[..., :2], change[..., 2:5], change[..., 5:]
    return photo + mask * (warp_by_flow(photo, flow) + delta - photo)
