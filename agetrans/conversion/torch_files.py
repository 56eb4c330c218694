"""Files of `torch.save`, old container and new, without PyTorch: plain containers of NumPy arrays.

The file is mapped, not read: arrays are read-only views of it, so that opening a checkpoint takes next to no memory.
"""

from __future__ import annotations

import math
import mmap
import os
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from agetrans.conversion.pickled import Allowance, CheckpointError, Names, Record, read_pickle

_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001
_ZIP_START = b"PK\x03\x04"
_LOCAL_HEADER = 30
_DIRECTORY_COST = 17
"""Bytes of Python objects that zipfile makes of each byte of an archive's directory, 800 of an entry of 46."""
_TENSOR_COST = 400
"""Bytes of Python objects that a tensor or a storage takes beside its numbers."""
_MOST_AXES = 32

_TYPES = {
    "Float": "f4",
    "Half": "f2",
    "BFloat16": "u2",
    "Double": "f8",
    "Long": "i8",
    "Int": "i4",
    "Short": "i2",
    "Char": "i1",
    "Byte": "u1",
    "Bool": "?",
}
"""PyTorch's storages `torch.<Kind>Storage` and NumPy's types."""


@dataclass(frozen=True)
class _Kind:
    """The number type of a storage."""

    name: str


@dataclass(frozen=True)
class _StorageId:
    """What a pickle says of a storage: `first` and `count` are those of a part, in elements."""

    key: str
    kind: _Kind
    total: int
    first: int
    count: int


def read_torch_file(path: str | os.PathLike[str]) -> Any:
    """Reads a file that `torch.save` wrote.

    Dictionaries, ordered or not, become `dict`; tensors and parameters become arrays; `argparse.Namespace` becomes a
    `dict` of its attributes. bfloat16 becomes float32.

    Args:
        path: The file.

    Returns:
        What was saved. Arrays are read-only and need the file as long as they live; they may overlap or repeat
        (stride 0), so look at `nbytes` before you copy one.

    Raises:
        CheckpointError: Not such a file, cut off, damaged, or with anything in it that is not data. Nothing that the
            file asks for is run.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise CheckpointError("there is no such file.")
        if path.stat().st_size < len(_ZIP_START):
            raise CheckpointError("it is empty.")
        with path.open("rb") as file:
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            if data[: len(_ZIP_START)] == _ZIP_START:
                return _read_zip(file, data)
            return _read_legacy(data)
    except CheckpointError as error:
        raise CheckpointError(f"{path} cannot be read as a checkpoint: {error}") from None


def _read_legacy(data: memoryview) -> Any:
    """Five pickles (magic number, version, platform, object, keys of storages), then the storages."""
    allowance = Allowance(len(data))
    nothing = Names({}, {}, _no_storage)
    magic, position = read_pickle(data, 0, nothing, allowance) if data[0] == 0x80 else (None, 0)
    if magic != _MAGIC:
        raise CheckpointError("PyTorch did not write it.")
    version, position = read_pickle(data, position, nothing, allowance)
    platform, position = read_pickle(data, position, nothing, allowance)
    if version != _VERSION or type(platform) is not dict:
        raise CheckpointError("its version of PyTorch's format is not known.")
    order = "<" if platform.get("little_endian", True) else ">"

    # The storages lie behind the object that is made of them: the first reading finds out what they are.
    found: dict[str, _StorageId] = {}

    def remember(identifier: _StorageId) -> np.ndarray:
        known = found.setdefault(identifier.key, identifier)
        if (known.kind, known.total) != (identifier.kind, identifier.total):
            raise CheckpointError("it describes one storage in two ways.")
        return _NO_ELEMENTS

    start = position
    _, position = read_pickle(data, start, _names(remember, allowance, known=False), allowance)
    keys, position = read_pickle(data, position, nothing, allowance)
    if type(keys) is not list:
        raise CheckpointError("its list of storages is missing.")
    places: dict[str, int] = {}
    for key in keys:
        identifier = found.get(key) if type(key) is str else None
        if identifier is None or key in places:
            raise CheckpointError("its list of storages does not fit its tensors.")
        count = int.from_bytes(
            data[position : position + 8], "little" if order == "<" else "big", signed=True
        )
        if count != identifier.total:
            raise CheckpointError(
                "a storage in it is of another size than its tensors need, or it was cut off."
            )
        places[key] = position + 8
        position += 8 + count * _type(identifier.kind, order).itemsize
        if position > len(data):
            raise CheckpointError("it was cut off: download or copy it again.")

    def locate(identifier: _StorageId) -> int:
        if identifier.key not in places:
            raise CheckpointError("a storage is missing from it.")
        return places[identifier.key]

    result, _ = read_pickle(data, start, _names(_Storages(data, order, locate), allowance), allowance)
    return result


def _read_zip(file: BinaryIO, data: memoryview) -> Any:
    """An archive of stored members: `NAME/data.pkl`, and `NAME/data/KEY` for each storage."""
    allowance = Allowance(len(data))
    members = _zip_members(file, data, allowance)
    pickles = [name for name in members if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise CheckpointError("it is a zip archive, and not one that PyTorch wrote.")
    folder = pickles[0][: -len("data.pkl")]
    order = "<"
    if (place := members.get(f"{folder}byteorder")) is not None:
        order = ">" if data[place[0] : place[0] + place[1]] == b"big" else "<"

    def locate(identifier: _StorageId) -> int:
        start, size = members.get(f"{folder}data/{identifier.key}", (0, -1))
        if size < identifier.total * _type(identifier.kind, order).itemsize:
            raise CheckpointError("a storage is missing from it or smaller than it claims.")
        return start

    start, size = members[pickles[0]]
    result, _ = read_pickle(
        data[: start + size], start, _names(_Storages(data, order, locate), allowance), allowance
    )
    return result


def _zip_members(file: BinaryIO, data: memoryview, allowance: Allowance) -> dict[str, tuple[int, int]]:
    """Where the content of each member starts, and its size in bytes."""
    try:
        with zipfile.ZipFile(cast(BinaryIO, _CountedFile(file, allowance))) as archive:
            entries = archive.infolist()
    except CheckpointError:
        raise
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, OSError, struct.error):
        raise CheckpointError("it was cut off or is damaged: download or copy it again.") from None
    members: dict[str, tuple[int, int]] = {}
    end = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        header = data[max(entry.header_offset, 0) :][:_LOCAL_HEADER]
        if len(header) < _LOCAL_HEADER or header[:4] != _ZIP_START:
            raise CheckpointError("its zip directory is damaged: download or copy it again.")
        name_length, extra_length = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
        start = entry.header_offset + _LOCAL_HEADER + name_length + extra_length
        plain = entry.compress_type == zipfile.ZIP_STORED and not entry.flag_bits & 1
        if not plain or entry.file_size != entry.compress_size or start + entry.file_size > len(data):
            raise CheckpointError("a member of its zip archive is compressed or larger than the file.")
        if entry.filename in members:
            raise CheckpointError("its zip archive holds two members of one name.")
        if entry.header_offset < end:
            raise CheckpointError("members of its zip archive share bytes.")
        end = start + entry.file_size
        members[entry.filename] = (start, entry.file_size)
    return members


class _CountedFile:
    """The part of a file's methods that zipfile needs; what it reads, the zip directory, is counted."""

    def __init__(self, file: BinaryIO, allowance: Allowance) -> None:
        self._file = file
        self._allowance = allowance
        self.seek, self.tell = file.seek, file.tell

    def read(self, count: int = -1) -> bytes:
        data = self._file.read(count)
        self._allowance.spend(len(data) * _DIRECTORY_COST)
        return data


class _Storages:
    """Gives the elements of storages as one-dimensional views of the file.

    Args:
        data: The file.
        order: "<" or ">".
        locate: Gives the first byte of a storage, and has checked that all of its bytes are there.
    """

    def __init__(self, data: memoryview, order: str, locate: Callable[[_StorageId], int]) -> None:
        self._data = data
        self._order = order
        self._locate = locate
        self._views: dict[str, np.ndarray] = {}
        self._kinds: dict[str, _Kind] = {}

    def __call__(self, identifier: _StorageId) -> np.ndarray:
        if self._kinds.setdefault(identifier.key, identifier.kind) != identifier.kind:
            raise CheckpointError("it describes one storage in two ways.")
        view = self._views.get(identifier.key)
        if view is None:
            place = self._locate(identifier)
            dtype = _type(identifier.kind, self._order)
            view = np.frombuffer(self._data[place : place + identifier.total * dtype.itemsize], dtype)
            if identifier.kind.name == "BFloat16":
                wide = view.astype(np.uint32)
                wide <<= 16
                view = wide.view(np.float32)
                view.flags.writeable = False
            self._views[identifier.key] = view
        return view[identifier.first : identifier.first + identifier.count]


def _type(kind: _Kind, order: str) -> np.dtype[Any]:
    return np.dtype(order + _TYPES[kind.name])


_NO_ELEMENTS = np.zeros(0, np.float32)


def _no_storage(identifier: Any) -> Any:
    raise CheckpointError("a storage is named where none belongs.")


def _names(elements: Callable[[_StorageId], np.ndarray], allowance: Allowance, known: bool = True) -> Names:
    """What PyTorch's pickles may name.

    Args:
        elements: Gives the elements of a storage.
        allowance: For tensors and storages.
        known: Whether the elements are known yet; otherwise no tensors are made of them.
    """

    def tensor(arguments: tuple[Any, ...]) -> np.ndarray:
        allowance.spend(_TENSOR_COST)
        return _tensor(arguments) if known else _NO_ELEMENTS

    def store(identifier: Any) -> np.ndarray:
        allowance.spend(_TENSOR_COST)
        return elements(_storage_id(identifier))

    return Names(
        values={
            "argparse Namespace": Record,
            **{f"torch {kind}Storage": _Kind(kind) for kind in _TYPES},
        },
        functions={
            "collections OrderedDict": _ordered_dictionary,
            "torch._utils _rebuild_tensor": tensor,
            "torch._utils _rebuild_tensor_v2": tensor,
            "torch._utils _rebuild_parameter": _parameter,
        },
        stores=store,
    )


def _ordered_dictionary(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    if arguments:
        raise CheckpointError("an ordered dictionary in it is made in a way that PyTorch does not use.")
    return {}


def _storage_id(identifier: Any) -> _StorageId:
    """Checks ("storage", kind, key, location, elements); old files have a sixth item, (key, first, count) of a part."""
    if type(identifier) is not tuple or len(identifier) not in (5, 6):
        raise CheckpointError("a storage is described in a way that PyTorch does not use.")
    word, kind, key, _, total, *part = identifier
    if (
        not type(word) is type(key) is str
        or word != "storage"
        or type(kind) is not _Kind
        or not _is_count(total)
    ):
        raise CheckpointError("a storage is described in a way that PyTorch does not use.")
    first, count = 0, total
    if part and part[0] is not None:
        if type(part[0]) is not tuple or len(part[0]) != 3 or not all(map(_is_count, part[0][1:])):
            raise CheckpointError("a part of a storage is described in a way that PyTorch does not use.")
        _, first, count = part[0]
        if first + count > total:
            raise CheckpointError("a part of a storage reaches beyond it.")
    return _StorageId(key, kind, total, first, count)


def _tensor(arguments: tuple[Any, ...]) -> np.ndarray:
    """(elements, first, shape, strides, ...), strides in elements."""
    if len(arguments) < 4:
        raise CheckpointError("a tensor is described in a way that PyTorch does not use.")
    elements, first, shape, strides = arguments[:4]
    if type(elements) is not np.ndarray or type(shape) is not tuple or type(strides) is not tuple:
        raise CheckpointError("a tensor is described in a way that PyTorch does not use.")
    if (
        len(shape) != len(strides)
        or len(shape) > _MOST_AXES
        or not all(map(_is_count, (first, *shape, *strides)))
    ):
        raise CheckpointError("a tensor is described in a way that PyTorch does not use.")
    if math.prod(max(n, 1) for n in shape) > 2**60 // elements.itemsize:
        raise CheckpointError("a tensor is larger than any memory.")
    if 0 in shape:
        return np.zeros(shape, elements.dtype)
    if first + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True)) >= len(elements):
        raise CheckpointError("a tensor reaches beyond its storage.")
    steps = tuple(stride * elements.itemsize for stride in strides)
    return np.ndarray(shape, elements.dtype, elements, first * elements.itemsize, steps)


def _parameter(arguments: tuple[Any, ...]) -> np.ndarray:
    """(tensor, requires gradient, hooks): the tensor."""
    if not arguments or type(arguments[0]) is not np.ndarray:
        raise CheckpointError("a parameter is described in a way that PyTorch does not use.")
    return arguments[0]


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**60
