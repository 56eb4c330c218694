"""Minibatch standard deviation: lets a discriminator see how much the pictures of a batch differ."""

from __future__ import annotations

from typing import Any

from keras import ops

from stylegan2_ops.activation import at_least_float32


def minibatch_stddev(x: Any, group_size: int = 4, features: int = 1) -> Any:
    """Appends the standard deviation over groups of samples, averaged, as constant feature maps.

    Karras et al., "Progressive Growing of GANs" (2018), section 3, in the grouped form of StyleGAN2. A batch
    makes max(1, B // group_size) groups, and sample i belongs to group i modulo their number. Where B is a
    multiple of the group size, that is StyleGAN2's grouping; otherwise the samples left over join the first
    groups, and a batch smaller than the group size is one group. A batch of one has no deviation: its maps
    are 1e-4, the square root of the term that keeps the gradient finite.

    Args:
        x: `(B, H, W, C)`; B may be unknown while a graph is built.
        group_size: Samples a group.
        features: Number of maps; each averages C / features neighbouring channels.

    Returns:
        `(B, H, W, C + features)`, dtype of x.

    Raises:
        ValueError: If the channels cannot be divided evenly among the features.
    """
    height, width, channels = x.shape[1:]
    if channels % features:
        raise ValueError(f"{channels} channels cannot be divided among features={features}.")
    batch = ops.shape(x)[0]
    dtype = at_least_float32(x.dtype)
    groups = ops.maximum(1, batch // group_size)
    of_group = ops.expand_dims(ops.arange(batch) % groups, 1) == ops.expand_dims(ops.arange(groups), 0)
    member = ops.cast(of_group, dtype)  # (B, groups), one-hot
    average = ops.transpose(member / ops.sum(member, axis=0, keepdims=True))  # (groups, B)

    flat = ops.cast(ops.reshape(x, (-1, height * width * channels)), dtype)
    centred = flat - member @ (average @ flat)
    deviation = ops.sqrt(average @ ops.square(centred) + 1e-8)
    deviation = ops.reshape(deviation, (-1, height * width, features, channels // features))
    # Not ops.mean: with PyTorch, Keras 3.15 computes that of float64 in float32.
    maps = member @ (ops.sum(deviation, axis=(1, 3)) * (features / (height * width * channels)))
    maps = ops.reshape(ops.cast(maps, x.dtype), (-1, 1, 1, features))
    return ops.concatenate([x, ops.broadcast_to(maps, (batch, height, width, features))], axis=-1)
