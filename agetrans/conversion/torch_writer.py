"""Files that PyTorch reads, any version of it, written without PyTorch."""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from agetrans.files import whole_file

_HEAD = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19." + b"\x80\x02M\xe9\x03."
"""Pickles of the format's magic number and of its version."""

_KINDS = {"float32": "Float", "float64": "Double", "float16": "Half", "int64": "Long"}


def write_torch_file(path: str | os.PathLike[str], entries: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Writes dictionaries of tensors as `torch.save` did before PyTorch 1.6; later versions read that as well.

    Args:
        path: The file; it is written whole or not at all.
        entries: Names to ordered dictionaries of tensors: {"g_ema": {...}}. float32, float64, float16 or int64.
    """
    with whole_file(Path(path)) as unfinished, unfinished.open("wb") as file:
        _write(file, entries)


def _write(file: BinaryIO, entries: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    arrays = [array for state in entries.values() for array in state.values()]
    file.write(_HEAD + b"\x80\x02" + _platform() + b".")
    file.write(b"\x80\x02" + object_pickle(entries) + b".")
    file.write(b"\x80\x02](" + b"".join(_text(str(key)) for key in range(len(arrays))) + b"e.")
    for array in arrays:
        file.write(struct.pack("<q", array.size))
        file.write(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())


def object_pickle(entries: Mapping[str, Mapping[str, np.ndarray]]) -> bytes:
    """The instructions that make the entries; storages are numbered from "0" in order."""
    parts, key = [b"}("], 0
    for name, state in entries.items():
        parts += [_text(name), b"ccollections\nOrderedDict\n)R("]
        for tensor_name, array in state.items():
            parts += [_text(tensor_name), _tensor(str(key), array)]
            key += 1
        parts.append(b"u")
    return b"".join([*parts, b"u"])


def _platform() -> bytes:
    sizes = _dictionary({name: _integer(size) for name, size in (("short", 2), ("int", 4), ("long", 4))})
    return _dictionary({"protocol_version": _integer(1001), "little_endian": b"\x88", "type_sizes": sizes})


def _tensor(key: str, array: np.ndarray) -> bytes:
    """A call of PyTorch's function that makes a tensor of a storage of its own, rows last."""
    storage = b"(%s%s%s%s%sNt" % (
        _text("storage"),
        b"ctorch\n%sStorage\n" % _KINDS[array.dtype.name].encode(),
        _text(key),
        _text("cpu"),
        _integer(array.size),
    )
    strides = [int(np.prod(array.shape[axis + 1 :])) for axis in range(array.ndim)]
    shape, steps = (b"(%st" % b"".join(map(_integer, numbers)) for numbers in (array.shape, strides))
    return b"ctorch._utils\n_rebuild_tensor_v2\n(%sQK\x00%s%s\x89ccollections\nOrderedDict\n)RtR" % (
        storage,
        shape,
        steps,
    )


def _dictionary(items: Mapping[str, bytes]) -> bytes:
    return b"}(" + b"".join(_text(name) + value for name, value in items.items()) + b"u"


def _text(text: str) -> bytes:
    encoded = text.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def _integer(number: int) -> bytes:
    if number < 2**31:
        return b"J" + struct.pack("<i", number)
    return b"\x8a\x08" + struct.pack("<q", number)
