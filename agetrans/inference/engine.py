"""Runs a generator's two halves, each compiled once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from keras import ops

from agetrans.backend import compiled
from agetrans.inference.memory import affordable_batch
from stylegan2_ops import seeded_noise

if TYPE_CHECKING:
    from agetrans.models.generator import Generator


class Engine:
    """A generator for NumPy arrays.

    Args:
        generator: the model.
        batch_size: frames that are decoded at once; fewer where memory is short. The last batch of a run is filled up,
            so that one graph serves all.
    """

    def __init__(self, generator: Generator, batch_size: int) -> None:
        if batch_size < 1:
            raise ValueError(f"A batch has at least one frame. Received: batch_size={batch_size}")
        self.generator = generator
        self.batch_size = affordable_batch(batch_size, generator.frame_memory)
        self._encode = compiled(generator.encode)
        self._decode = compiled(self._decode_batch)

    def encode(self, picture: np.ndarray) -> tuple[Any, ...]:
        """What all target ages of a face share.

        Args:
            picture: `(size, size, 3)` uint8 RGB.

        Returns:
            The generator's codes, batch size 1.
        """
        image = picture[None].astype(np.float32) / 127.5 - 1
        return tuple(self._encode(ops.convert_to_tensor(image)))

    def decode(
        self, codes: tuple[Any, ...], labels: np.ndarray, seed: int | None = None
    ) -> Iterator[np.ndarray]:
        """The changes towards target ages, a batch at a time.

        Args:
            codes: from `encode`.
            labels: `(N, groups)` float32.
            seed: of the noise, the same for all frames; None for none.

        Yields:
            Batches of changes `(B, size, size, channels)` float32, together N.
        """
        noise = None if seed is None else self._noise(seed)
        for first in range(0, len(labels), self.batch_size):
            batch = labels[first : first + self.batch_size]
            filled = np.pad(batch, ((0, self.batch_size - len(batch)), (0, 0)), mode="edge")
            change = self._decode(codes, ops.convert_to_tensor(filled), noise)
            yield ops.convert_to_numpy(change)[: len(batch)]

    def _noise(self, seed: int) -> list[Any]:
        return [ops.convert_to_tensor(noise) for noise in seeded_noise(self.generator.noise_sides, seed)]

    def _decode_batch(self, codes: tuple[Any, ...], labels: Any, noise: Sequence[Any] | None) -> Any:
        shared = tuple(ops.repeat(code, self.batch_size, axis=0) for code in codes)
        return ops.cast(self.generator.decode(shared, labels, noise), "float32")
