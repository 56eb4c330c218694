"""MTCNN's three small networks, run in NumPy from the weight files of the `mtcnn` package.

Finding a face is the first thing a user waits for. In NumPy it is done before TensorFlow has finished importing.
Only the package's data files are used; its code imports TensorFlow.

Reference: Zhang, Zhang, Li, Qiao, "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional
Networks", IEEE Signal Processing Letters 2016 (networks: figure 2).
"""

from __future__ import annotations

import functools
import importlib.util
import pathlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

PROPOSAL_CELL = 12
PROPOSAL_STRIDE = 2
REFINE_SIZE = 24
OUTPUT_SIZE = 48


@functools.cache
def _weights(name: str) -> list[Array]:
    """Weights of one network ("pnet", "rnet" or "onet"), layer by layer; kernels are HWIO."""
    import joblib

    package = importlib.util.find_spec("mtcnn")
    if package is None or not package.submodule_search_locations:
        raise ImportError("Finding faces needs the package 'mtcnn': pip install 'mtcnn>=1.0'")
    path = pathlib.Path(package.submodule_search_locations[0], "assets", "weights", f"{name}.lz4")
    return [np.asarray(array, np.float32) for array in joblib.load(path)]


def _convolve(x: Array, kernel: Array, bias: Array) -> Array:
    """Convolution without padding; `x` is `(B, H, W, C)`."""
    height, width, channels, filters = kernel.shape
    if height == width == 1:
        return x @ kernel[0, 0] + bias
    windows = np.lib.stride_tricks.sliding_window_view(x, (height, width), axis=(1, 2))
    columns = np.moveaxis(windows, 3, 5).reshape(*windows.shape[:3], height * width * channels)
    return columns @ kernel.reshape(-1, filters) + bias


def _prelu(x: Array, slope: Array) -> Array:
    return np.maximum(x, 0) + slope * np.minimum(x, 0)


def _max_pool(x: Array, window: int, same: bool) -> Array:
    """Maximum over `window` x `window` at stride 2. `same` rounds the size up, else down."""
    if same:
        after = [max((-(-n // 2) - 1) * 2 + window - n, 0) for n in x.shape[1:3]]
        x = np.pad(x, ((0, 0), (0, after[0]), (0, after[1]), (0, 0)), constant_values=-np.inf)
    height, width = ((n - window) // 2 + 1 for n in x.shape[1:3])
    return functools.reduce(
        np.maximum,
        (
            x[:, i : i + 2 * height - 1 : 2, j : j + 2 * width - 1 : 2]
            for i in range(window)
            for j in range(window)
        ),
    )


def _face_probability(logits: Array) -> Array:
    """Softmax over (no face, face), second entry."""
    return 1 / (1 + np.exp(logits[..., 0] - logits[..., 1]))


def _trunk(x: Array, weights: Sequence[Array], pools: Sequence[tuple[int, bool] | None]) -> Array:
    """Convolution, PReLU and pooling, once for each entry of `pools` (window, same; None: no pooling)."""
    for i, pool in enumerate(pools):
        kernel, bias, slope = weights[3 * i : 3 * i + 3]
        x = _prelu(_convolve(x, kernel, bias), slope)
        if pool is not None:
            x = _max_pool(x, *pool)
    return x


def _dense_features(x: Array, weight: Array, bias: Array, slope: Array) -> Array:
    # The weights were trained with columns before rows.
    flat = x.transpose(0, 2, 1, 3).reshape(len(x), -1)
    return _prelu(flat @ weight + bias, slope)


def propose(image: Array) -> tuple[Array, Array]:
    """P-Net on one picture.

    Args:
        image: `(H, W, 3)` in [-1, 1], RGB, at least 12 pixels each way.

    Returns:
        Face probability `(h, w)` and box offsets `(h, w, 4)` (left, top, right, bottom in cell sizes) of the cells of
        12 pixels whose top left corners are at twice their index.
    """
    weights = _weights("pnet")
    x = _trunk(image[None], weights, [(2, True), None, None])
    offsets = _convolve(x, weights[9], weights[10])
    return _face_probability(_convolve(x, weights[11], weights[12]))[0], offsets[0]


def refine(patches: Array) -> tuple[Array, Array]:
    """R-Net: face probability `(N,)` and box offsets `(N, 4)` for patches `(N, 24, 24, 3)` in [-1, 1]."""
    weights = _weights("rnet")
    x = _trunk(patches, weights, [(3, True), (3, False), None])
    x = _dense_features(x, *weights[9:12])
    return _face_probability(x @ weights[14] + weights[15]), x @ weights[12] + weights[13]


def describe(patches: Array) -> tuple[Array, Array, Array]:
    """O-Net: face probability `(N,)`, box offsets `(N, 4)`, points `(N, 5, 2)` for patches `(N, 48, 48, 3)` in [-1, 1].

    Points are fractions of the patch from its top left corner, in the order of `Face.points`.
    """
    weights = _weights("onet")
    x = _trunk(patches, weights, [(3, True), (3, False), (2, True), None])
    x = _dense_features(x, *weights[12:15])
    points = (x @ weights[17] + weights[18]).reshape(-1, 2, 5).transpose(0, 2, 1)
    return _face_probability(x @ weights[19] + weights[20]), x @ weights[15] + weights[16], points
