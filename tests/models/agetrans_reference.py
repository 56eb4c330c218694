"""The AgeTrans generator in slow NumPy, float64: its numbers are read from the layers, nothing of their code is."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops
from scipy.ndimage import map_coordinates

from tests.stylegan2_ops import reference


def numbers(x: Any) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(ops.cast(x, "float32")), np.float64)


def fill(generator: Any, seed: int) -> None:
    """Random weights of the size that training makes, the same on every backend."""
    stream = np.random.RandomState(seed)
    for variable in generator.weights:
        values = stream.standard_normal(variable.shape)
        if not variable.path.endswith("kernel"):
            values = 0.2 * values + ("modulation/bias" in variable.path)
        variable.assign(values.astype(np.float32))


def leaky(x: np.ndarray) -> np.ndarray:
    return np.sqrt(2) * reference.leaky_relu(x)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def conv(layer: Any, x: np.ndarray, resampling: str | None = None) -> np.ndarray:
    kernel = numbers(layer.kernel)
    scaled = kernel / np.sqrt(np.prod(kernel.shape[:3]))
    return reference.resampled_conv(x, scaled, resampling) + numbers(layer.bias)


def dense(layer: Any, x: np.ndarray) -> np.ndarray:
    return reference.dense(x, numbers(layer.kernel), numbers(layer.bias))


def modulated(
    layer: Any, x: np.ndarray, w: np.ndarray, resampling: str | None, demodulate: bool
) -> np.ndarray:
    style = dense(layer.modulation, w)
    return reference.modulated_conv(x, style, numbers(layer.kernel), resampling, demodulate)


def styled(layer: Any, x: np.ndarray, w: np.ndarray, noise: Any, resampling: str | None = None) -> np.ndarray:
    x = modulated(layer.conv, x, w, resampling, demodulate=True)
    x = x + numbers(layer.noise.strength) * (0.0 if noise is None else noise)
    return leaky(x + numbers(layer.bias))


def image_layer(layer: Any, x: np.ndarray, w: np.ndarray) -> np.ndarray:
    return modulated(layer.conv, x, w, None, demodulate=False) + numbers(layer.bias)


def upsample(x: np.ndarray) -> np.ndarray:
    return reference.resample(x, 4 * reference.BINOMIAL, (2, 1), up=2)


def haar_down(x: np.ndarray) -> np.ndarray:
    a, b, c, d = x[:, ::2, ::2], x[:, ::2, 1::2], x[:, 1::2, ::2], x[:, 1::2, 1::2]
    details = np.stack([a + b - c - d, a - b + c - d, a - b - c + d], axis=-1) / 2
    return np.concatenate([(a + b + c + d) / 2, details.reshape(*a.shape[:3], -1)], axis=-1)


def bands(image: np.ndarray) -> np.ndarray:
    """What the encoder takes: the halved picture, and the detail ten times as strong."""
    split = haar_down(image)
    return np.concatenate([0.5 * split[..., :3], 10 * split[..., 3:]], axis=-1)


def haar_up(x: np.ndarray) -> np.ndarray:
    channels = x.shape[-1] // 4
    low, details = x[..., :channels], x[..., channels:].reshape(*x.shape[:3], channels, 3)
    a, b, c = np.moveaxis(details, -1, 0)
    y = np.zeros((len(x), 2 * x.shape[1], 2 * x.shape[2], channels))
    y[:, ::2, ::2], y[:, ::2, 1::2] = (low + a + b + c) / 2, (low + a - b - c) / 2
    y[:, 1::2, ::2], y[:, 1::2, 1::2] = (low - a + b - c) / 2, (low - a - b + c) / 2
    return y


def encoder(layer: Any, image: np.ndarray) -> list[np.ndarray]:
    x = leaky(conv(layer.stem, bands(image)))
    features = [np.concatenate([x, bands(image)], axis=-1)]
    for down, convs in zip(layer.downs, layer.blocks, strict=True):
        x = leaky(conv(down, x, "down"))
        for block in convs:
            x = 0.7 * (x + leaky(conv(block, x)))
        features.append(x)
    return features


def adaptive_pool(x: np.ndarray, cells: int, reduce: Any) -> list[np.ndarray]:
    """Cell (i, j) reads the rows floor(i n / k) ... ceil((i + 1) n / k) - 1, and columns likewise."""
    pooled = []
    for i in range(cells):
        for j in range(cells):
            rows = slice(int(np.floor(i * x.shape[1] / cells)), int(np.ceil((i + 1) * x.shape[1] / cells)))
            columns = slice(int(np.floor(j * x.shape[2] / cells)), int(np.ceil((j + 1) * x.shape[2] / cells)))
            pooled.append(reduce(x[:, rows, columns], axis=(1, 2)))
    return pooled


def afd(layer: Any, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    means, maxima = (
        np.concatenate([cell for cells in (1, 2, 3) for cell in adaptive_pool(x, cells, reduce)], axis=-1)
        for reduce in (np.mean, np.max)
    )
    channel = sigmoid(dense(layer.excite, leaky(dense(layer.squeeze, means + maxima))))
    spatial = sigmoid(conv(layer.spatial, np.stack([x.max(axis=-1), x.mean(axis=-1)], axis=-1)))
    attention = (channel[:, None, None, :] + spatial) / 2
    return x * (1 - attention), x * attention


def full_kernel(layer: Any, starts: list[int], fill_value: np.ndarray) -> np.ndarray:
    """One kernel over all channels; what lies in no group's slice is `fill_value`, which the masks must hide.

    Written from the last group to the first: a corner that two groups share is the lower group's.
    """
    kernel, units = fill_value.copy(), layer.units
    for group in reversed(range(layer.groups)):
        own = slice(starts[group], starts[group] + units)
        kernel[:, :, own, own] = numbers(layer.kernel)[group]
    return kernel


def icm(layer: Any, x: np.ndarray) -> np.ndarray:
    """MTLFace's form: convolutions over all channels, and a 0/1 mask over them for each group."""
    entered = leaky(conv(layer.enter, x))
    starts = [group * (layer.units - layer.shared) for group in range(layer.groups)]
    random = np.random.RandomState(0)
    views = []
    for group in range(layer.groups):
        mask = np.zeros(entered.shape[-1])
        mask[starts[group] : starts[group] + layer.units] = 1
        y = entered * mask
        for first, second in zip(layer.convs[::2], layer.convs[1::2], strict=True):
            residual = y
            for shared in (first, second):
                size = (3, 3, len(mask), len(mask))
                kernel = full_kernel(shared, starts, random.standard_normal(size)) / np.sqrt(9 * layer.units)
                residual = (reference.conv(residual, kernel, 1) + numbers(shared.bias)) * mask
                residual = leaky(residual) if shared is first else residual
            y = leaky(0.7 * (y + residual))
        views.append(y[..., mask == 1])
    return np.stack(views, axis=1)


def grid_means(x: np.ndarray, cells: int) -> np.ndarray:
    side = x.shape[1] // cells
    means = [
        x[:, i * side : (i + 1) * side, j * side : (j + 1) * side].mean(axis=(1, 2))
        for i in range(cells)
        for j in range(cells)
    ]
    return np.concatenate(means, axis=-1)


def read_age(generator: Any, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    _, age = afd(generator.afd, encoder(generator.encoder, image)[-1])
    pooled = np.concatenate([grid_means(age, 2), age.max(axis=(1, 2))], axis=-1)
    years = dense(generator.age_years, leaky(dense(generator.age_hidden, pooled)))
    return years, dense(generator.age_groups, years)


def change(generator: Any, image: np.ndarray, label: np.ndarray, noise: list[Any] | None) -> np.ndarray:
    *skips, features = encoder(generator.encoder, image)
    identity, _ = afd(generator.afd, features)
    view = np.einsum("bghwc,bg->bhwc", icm(generator.icm, identity), label)
    w = grid_means(view, 4)
    for layer in generator.to_style:
        w = leaky(dense(layer, w))
    maps = noise or [None] * 7
    x = styled(generator.first, 0.7 * (identity + conv(generator.start, view)), w, maps[0])
    total = image_layer(generator.to_change[0], x, w)
    for level in range(3):
        x = styled(generator.ups[level], x, w, maps[2 * level + 1], "up")
        skip = warped(skips[2 - level], 0.02 * upsample(total[..., :2]))
        x = 0.7 * (x + conv(generator.skips[level], skip))
        x = styled(generator.convs[level], x, w, maps[2 * level + 2])
        if level < 2:
            total = upsample(total) + image_layer(generator.to_change[level + 1], x, w)
    flow = 0.02 * upsample(upsample(total[..., :2]))
    paint = upsample(total[..., 2:]) + image_layer(generator.to_change[3], x, w)
    paint = upsample(paint)
    delta = 0.25 * (paint[..., :3] + haar_up(image_layer(generator.to_detail, x, w)))
    mask = np.clip(1.1 * sigmoid(2.0 * paint[..., 3:]) - 0.05, 0, 1) * reach(paint.shape[1])
    return np.concatenate([flow, delta, mask], axis=-1)


def reach(side: int) -> np.ndarray:
    """Of the head: a smoothstep between 0.85 and 1.25 times an ellipse, pixel by pixel."""
    result = np.zeros((side, side, 1))
    for row in range(side):
        for column in range(side):
            x = ((column + 0.5) / side - 0.5) / 0.383
            y = ((row + 0.5) / side - 0.477) / 0.492
            t = min(max((1.25 - (x * x + y * y) ** 0.5) / 0.4, 0.0), 1.0)
            result[row, column] = t * t * (3 - 2 * t)
    return result


def resized(x: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear, the centres of the pixels at halves, edges continued."""
    rows = (np.arange(height) + 0.5) * x.shape[1] / height - 0.5
    columns = (np.arange(width) + 0.5) * x.shape[2] / width - 0.5
    return sampled(x, *np.meshgrid(columns, rows))


def sampled(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """`(B, H, W, C)` at positions `(H', W')` or `(B, H', W')`."""
    x, y = (np.broadcast_to(places, (len(image), *places.shape[-2:])) for places in (x, y))
    return np.stack(
        [
            np.stack(
                [
                    map_coordinates(picture[..., c], (v, u), order=1, mode="nearest")
                    for c in range(image.shape[-1])
                ],
                -1,
            )
            for picture, u, v in zip(image.astype(np.float64), x, y, strict=True)
        ]
    )


def warped(image: np.ndarray, flow: np.ndarray) -> np.ndarray:
    height, width = image.shape[1:3]
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    return sampled(image, columns + flow[..., 0] * width, rows + flow[..., 1] * height)


def composed(photo: np.ndarray, change: np.ndarray) -> np.ndarray:
    change = resized(change, *photo.shape[1:3])
    flow, delta, mask = change[..., :2], change[..., 2:5], change[..., 5:]
    return mask * (warped(photo, flow) + delta) + (1 - mask) * photo
