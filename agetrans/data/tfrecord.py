"""TFRecord files of `tf.train.Example`s, read and written without TensorFlow.

A file is a sequence of records: length (8 bytes), masked CRC-32C of these, data, masked CRC-32C of the data. The data
is the protocol buffer `tf.train.Example`, a map from names to a list of bytes, floats or integers. Machines that train
with PyTorch alone read the same shards.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

import google_crc32c

Value = bytes | float | int

_LENGTH, _CRC = struct.Struct("<Q"), struct.Struct("<I")
_KINDS = {bytes: 1, float: 2, int: 3}


class RecordError(ValueError):
    """A TFRecord file is broken."""


def write_record(file: BinaryIO, data: bytes) -> None:
    """Appends one record."""
    length = _LENGTH.pack(len(data))
    file.write(length + _CRC.pack(_masked_crc(length)) + data + _CRC.pack(_masked_crc(data)))


def record_places(data: Any) -> Iterator[tuple[int, int]]:
    """Where the records of a file lie: the offset and the length of each one's data.

    Args:
        data: The whole file, bytes or a memory map.

    Raises:
        RecordError: A record is cut off, or a length is not what was written.
    """
    place = 0
    while place < len(data):
        head = data[place : place + 12]
        if len(head) < 12 or _CRC.unpack(head[8:])[0] != _masked_crc(head[:8]):
            raise RecordError(f"the record at byte {place} does not start as a TFRecord does")
        (length,) = _LENGTH.unpack(head[:8])
        if place + 16 + length > len(data):
            raise RecordError(f"the record at byte {place} is cut off")
        yield place + 12, length
        place += 16 + length


def read_record(data: Any, offset: int, length: int) -> bytes:
    """The data of one record, checked.

    Raises:
        RecordError: It is not what was written.
    """
    record = bytes(data[offset : offset + length])
    if _CRC.unpack(data[offset + length : offset + length + 4])[0] != _masked_crc(record):
        raise RecordError(f"the record at byte {offset - 12} is damaged")
    return record


def encode_example(features: dict[str, Value]) -> bytes:
    """A `tf.train.Example` of single values: bytes, floats (float32) and integers (int64)."""
    entries = b""
    for name, value in sorted(features.items()):
        kind = _KINDS[type(value)]
        if isinstance(value, bytes):
            items = message_bytes(1, value)
        elif isinstance(value, float):
            items = message_bytes(1, struct.pack("<f", value))
        else:
            items = message_bytes(1, _varint(value & (1 << 64) - 1))
        entries += message_bytes(
            1, message_bytes(1, name.encode()) + message_bytes(2, message_bytes(kind, items))
        )
    return message_bytes(1, entries)


def decode_example(data: bytes) -> dict[str, Value]:
    """The first value of each feature of a `tf.train.Example`.

    Raises:
        RecordError: The data is no such message.
    """
    try:
        return dict(_features(memoryview(data)))
    except (IndexError, struct.error, KeyError, UnicodeDecodeError) as error:
        raise RecordError("a record is no tf.train.Example") from error


def _features(data: memoryview) -> Iterator[tuple[str, Value]]:
    for _, entries in _fields(data):
        for _, entry in _fields(entries):
            parts = dict(_fields(entry))
            for kind, items in _fields(parts[2]):
                for _, value in _fields(items):
                    yield bytes(parts[1]).decode(), _value(kind, value)
                    break


def _value(kind: int, value: Any) -> Value:
    if kind == 1:
        return bytes(value)
    if kind == 2:
        return struct.unpack_from("<f", value)[0]
    number = value if isinstance(value, int) else _read_varint(value, 0)[0]
    return number - (1 << 64) if number >> 63 else number


def _fields(data: memoryview) -> Iterator[tuple[int, Any]]:
    """Number and content of each field of a message; numbers come as int, all else as bytes."""
    place = 0
    while place < len(data):
        key, place = _read_varint(data, place)
        wire = key & 7
        if wire == 0:
            value, place = _read_varint(data, place)
            yield key >> 3, value
            continue
        length = {1: 8, 5: 4}.get(wire)
        if wire == 2:
            length, place = _read_varint(data, place)
        if length is None or place + length > len(data):
            raise IndexError
        yield key >> 3, data[place : place + length]
        place += length


def _read_varint(data: memoryview, place: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[place]
        place += 1
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return number, place


def _varint(number: int) -> bytes:
    result = bytearray()
    while number > 127:
        result.append(number & 127 | 128)
        number >>= 7
    return bytes((*result, number))


def message_bytes(number: int, content: bytes) -> bytes:
    """A field of a protocol buffer that holds bytes, text or another message."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def message_varint(number: int, value: int) -> bytes:
    """A field of a protocol buffer that holds a whole number from 0."""
    return _varint(number << 3) + _varint(value)


def _masked_crc(data: bytes) -> int:
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
