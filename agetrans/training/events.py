"""TensorBoard's event files, written without TensorFlow: they are TFRecords of the protocol buffer `Event`."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import cv2
import numpy as np

from agetrans.data.tfrecord import message_bytes, message_varint, write_record


class EventWriter:
    """Appends scalars and pictures to a new event file of a folder; every call is flushed.

    Args:
        folder: What `tensorboard --logdir` is given.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = open(folder / f"events.out.tfevents.{time.time_ns()}", "ab")  # noqa: SIM115
        self._write(message_bytes(3, b"brain.Event:2"))

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Numbers under their names."""
        content = b""
        for name, value in values.items():
            simple = struct.pack("<Bf", 2 << 3 | 5, value)
            content += message_bytes(1, message_bytes(1, name.encode()) + simple)
        self._write(message_varint(2, step) + message_bytes(5, content))

    def picture(self, step: int, name: str, picture: np.ndarray) -> None:
        """A picture `(H, W, 3)` uint8 RGB."""
        _, encoded = cv2.imencode(".png", picture[..., ::-1])
        height, width = picture.shape[:2]
        image = message_varint(1, height) + message_varint(2, width) + message_varint(3, 3)
        image += message_bytes(4, encoded.tobytes())
        value = message_bytes(1, name.encode()) + message_bytes(4, image)
        self._write(message_varint(2, step) + message_bytes(5, message_bytes(1, value)))

    def close(self) -> None:
        """Ends the file."""
        self._file.close()

    def _write(self, content: bytes) -> None:
        write_record(self._file, struct.pack("<Bd", 1 << 3 | 1, time.time()) + content)
        self._file.flush()
