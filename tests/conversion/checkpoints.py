"""Small checkpoints, honest and malicious, for the tests of this folder."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np

from agetrans.conversion.torch_writer import object_pickle, write_torch_file

GOLDEN = Path(__file__).parents[3] / "shared" / "golden" / "agetransgan"
HEAD = (
    pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps({"little_endian": True}, 2)
)

State = dict[str, np.ndarray]


def legacy(entries: dict[str, State], folder: Path) -> bytes:
    """A file as PyTorch wrote it before 1.6."""
    write_torch_file(folder / "legacy.pt", entries)
    return (folder / "legacy.pt").read_bytes()


def zipped(entries: dict[str, State]) -> bytes:
    """A file as PyTorch has written it since."""
    arrays = [array for state in entries.values() for array in state.values()]
    members = {"data.pkl": b"\x80\x02" + object_pickle(entries) + b".", "byteorder": b"little"}
    members |= {f"data/{key}": array.tobytes() for key, array in enumerate(arrays)}
    return zip_of({f"some name/{name}": content for name, content in members.items()})


def zip_of(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def zip_of_pickle(instructions: bytes, **storages: bytes) -> bytes:
    return zip_of(
        {"a/data.pkl": instructions, **{f"a/data/{key[1:]}": data for key, data in storages.items()}}
    )


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def number(value: int) -> bytes:
    return b"\x8a\x09" + value.to_bytes(9, "little", signed=True)


def tensor(shape: tuple[int, ...], strides: tuple[int, ...], first: int = 0, elements: int = 4) -> bytes:
    """A pickle of one tensor on the storage "0"."""
    storage = (
        b"("
        + text("storage")
        + b"ctorch\nFloatStorage\n"
        + text("0")
        + text("cpu")
        + number(elements)
        + b"tQ"
    )
    shapes = b"".join(b"(" + b"".join(map(number, numbers)) + b"t" for numbers in (shape, strides))
    return b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + storage + number(first) + shapes + b"\x89)tR."


def doubled(times: int) -> bytes:
    """Instructions for a pair of twice a pair of twice ...: as a tree it has 2 ** times leaves."""
    return b"Nq\x00" + b"h\x00\x86q\x00" * times
