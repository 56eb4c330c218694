"""What every generator offers: a picture and a target age in, the picture at that age out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import keras


class Generator(keras.Model):
    """Base of the generators: calling one is `compose(image, decode(encode(image), label, noise))`.

    Attributes:
        size: Side in pixels of the pictures that `encode` takes.
        groups: Number of age groups, the width of a label.
        noise_sides: Side of each noise map that `decode` takes, in layer order.

    Call arguments:
        image: `(B, size, size, 3)`, RGB in [-1, 1].
        label: `(B, groups)`, rows sum to 1; or one face and many labels.
        noise: One map `(1 or B, side, side, 1)` for each of `noise_sides`, or None for zero noise.

    Returns:
        `(B, size, size, 3)`, float32, RGB, not clipped.
    """

    size: int
    groups: int
    noise_sides: tuple[int, ...]

    def __init__(self, **kwargs: Any) -> None:
        # Pictures and labels stay float32 under mixed policies; each layer rounds what it needs.
        super().__init__(autocast=False, **kwargs)

    @property
    def frame_memory(self) -> int:
        """Bytes that `decode` takes for each frame of a batch, roughly."""
        return 2048 * self.size**2

    @abstractmethod
    def encode(self, image: Any) -> tuple[Any, ...]:
        """What all target ages share, once a face: tensors whose first axis is the batch."""

    @abstractmethod
    def decode(self, codes: tuple[Any, ...], label: Any, noise: Sequence[Any] | None = None) -> Any:
        """The change towards a target age, once a frame; `compose` applies it."""

    @abstractmethod
    def compose(self, photo: Any, change: Any) -> Any:
        """Applies a change to a photograph `(B, H, W, 3)` in [-1, 1], at the photograph's own size."""

    def call(self, image: Any, label: Any, noise: Sequence[Any] | None = None) -> Any:
        return self.compose(image, self.decode(self.encode(image), label, noise))
