"""People of the teacher: latents drawn by number, and the pictures they make, in shards on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from agetrans.backend import on_arrays
from agetrans.files import save_npz

from .network import LATENT_SIZE, Mapping, Synthesis

TRUNCATION = (0.6, 1.0)
"""Range of the truncation: each person's w is pulled towards the mean by a factor drawn from it."""
MEAN_LATENT_SAMPLES = 4096
SHARD_SIZE = 100


def draw_latents(
    first: int, count: int, mapping: Callable[[np.ndarray], np.ndarray], mean_w: np.ndarray
) -> np.ndarray:
    """The w of people `first` ... `first + count - 1`: `(count, 512)` float32.

    A person's number alone decides the latent, so that shards can be made in any order and again.

    Args:
        first: Number of the first person.
        count: Number of people.
        mapping: z `(count, 512)` to w.
        mean_w: `(512,)`, which the truncation pulls towards.
    """
    z = np.empty((count, LATENT_SIZE), np.float32)
    truncation = np.empty((count, 1), np.float32)
    for row in range(count):
        random = np.random.default_rng((first + row, 2022))
        z[row] = random.standard_normal(LATENT_SIZE, np.float32)
        truncation[row] = random.uniform(*TRUNCATION)
    return mean_w + truncation * (mapping(z) - mean_w)


def mean_latent(mapping: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Mean w `(512,)` of a fixed set of standard normal z."""
    z = np.random.default_rng(2022).standard_normal((MEAN_LATENT_SAMPLES, LATENT_SIZE), np.float32)
    return mapping(z).mean(axis=0)


def to_bytes(pictures: np.ndarray) -> np.ndarray:
    """Pictures in [-1, 1] to uint8, rounded to the nearest level."""
    return np.clip(np.rint(pictures * 127.5 + 127.5), 0, 255).astype(np.uint8)


def shrink(pictures: np.ndarray, size: int) -> np.ndarray:
    """Averages square blocks: `(B, S, S, C)` to `(B, size, size, C)`; S must be a multiple of `size`."""
    batch, side, _, channels = pictures.shape
    block = side // size
    return pictures.reshape(batch, size, block, size, block, channels).mean(axis=(2, 4))


def make_samples(folder: Path, people: int, size: int = 256, shard_size: int = SHARD_SIZE) -> Iterator[Path]:
    """Writes shards of people that are not there yet and yields their paths, one by one, in order.

    Each shard `NNNNN.npz` (number of its first person) holds `w` `(N, 512)` float32 and `pictures`
    `(N, size, size, 3)` uint8. A run cut off continues with the first missing shard.

    Args:
        folder: Where the shards are; made where it is missing.
        people: Number of people, rounded up to whole shards.
        size: Side of the pictures, a divisor of 512.
        shard_size: People a shard.

    Raises:
        TeacherMissing: If the package with the teacher's weights is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mapping = on_arrays(Mapping().call)
    mean_w = mean_latent(mapping)
    synthesis = on_arrays(Synthesis(512, dtype="mixed_bfloat16").call)
    for first in range(0, people, shard_size):
        path = folder / f"{first:05d}.npz"
        if not path.exists():
            w = draw_latents(first, shard_size, mapping, mean_w)
            pictures = [to_bytes(shrink(synthesis(w[row : row + 4]), size)) for row in range(0, len(w), 4)]
            save_npz(path, w=w, pictures=np.concatenate(pictures))
        yield path
