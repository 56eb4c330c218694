"""InsightFace's test sets: every pickle protocol, round trips, and hostile files."""

from __future__ import annotations

import pickle
import subprocess
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agetrans.data.insightface import extract_pair_bin, pack_pair_bin
from agetrans.data.labelled import DataError
from agetrans.data.pairbins import read_pair_bin, write_pair_bin
from agetrans.data.pairlists import read_pairs

JPEGS = [b"\xff\xd8\xff" + bytes([n, 0, 255, 39, 10, 92]) * n for n in range(1, 5)]
SAME = [True, False]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("arrays", [False, True])
@pytest.mark.parametrize("kind", [list, tuple])
def test_every_protocol_is_read(tmp_path: Path, protocol: int, arrays: bool, kind: Any) -> None:
    pictures: list[Any] = [np.frombuffer(jpeg, np.uint8) for jpeg in JPEGS] if arrays else JPEGS
    labels: Any = [np.bool_(s) for s in SAME] if arrays else SAME
    path = tmp_path / "lfw.bin"
    path.write_bytes(pickle.dumps(kind((pictures, labels)), protocol))
    pairs = read_pair_bin(path)
    assert pairs.pictures == JPEGS
    assert pairs.same == SAME


def test_pictures_are_in_memory_once(tmp_path: Path) -> None:
    """In protocol 2 bytes are a text to be encoded, which Python notes for later use and never uses again."""
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 256, 100_000, dtype=np.uint8).tobytes() for _ in range(40)]
    (tmp_path / "t.bin").write_bytes(pickle.dumps((pictures, [True] * 20), protocol=2))
    tracemalloc.start()
    try:
        assert read_pair_bin(tmp_path / "t.bin").pictures == pictures
        assert tracemalloc.get_traced_memory()[1] < 1.4 * 4_000_000
    finally:
        tracemalloc.stop()


def test_what_is_used_again_is_kept(tmp_path: Path) -> None:
    picture = b"\xff\xd8 one picture"
    for protocol in (0, 2, 4):
        (tmp_path / "t.bin").write_bytes(pickle.dumps(([picture, picture] * 2, [True, False]), protocol))
        assert read_pair_bin(tmp_path / "t.bin").pictures == [picture] * 4


def test_python_2s_files_are_read(tmp_path: Path) -> None:
    """Texts of Python 2 (SHORT_BINSTRING, BINSTRING) are bytes; its truth values in protocol 1 are I01 and I00."""
    texts = b"".join(b"U" + bytes([len(jpeg)]) + jpeg for jpeg in JPEGS[:3])
    texts += b"T" + len(JPEGS[3]).to_bytes(4, "little") + JPEGS[3]
    path = tmp_path / "lfw.bin"
    path.write_bytes(b"\x80\x02](" + texts + b"e](I01\nI00\ne\x86.")
    assert read_pair_bin(path).pictures == JPEGS
    assert read_pair_bin(path).same == SAME


def test_labels_may_be_an_array(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(pickle.dumps((JPEGS, np.array(SAME)), 2))
    assert read_pair_bin(tmp_path / "a.bin").same == SAME


def test_pythons_own_reader_reads_what_is_written(tmp_path: Path) -> None:
    write_pair_bin(tmp_path / "a.bin", JPEGS, SAME)
    with open(tmp_path / "a.bin", "rb") as file:
        assert pickle.load(file, encoding="bytes") == (JPEGS, SAME)


def test_from_a_bin_to_a_folder_and_back(tmp_path: Path) -> None:
    write_pair_bin(tmp_path / "agedb_30.bin", JPEGS, SAME)
    extract_pair_bin(tmp_path / "agedb_30.bin", tmp_path / "out")
    listed = read_pairs(tmp_path / "out/agedb_30.txt", tmp_path / "out")
    assert [pair.same for pair in listed] == SAME
    assert listed[1].first.read_bytes() == JPEGS[2]
    assert pack_pair_bin(tmp_path / "out/agedb_30.txt", tmp_path / "out", tmp_path / "b.bin") == 2
    assert (tmp_path / "b.bin").read_bytes() == (tmp_path / "agedb_30.bin").read_bytes()


def test_a_missing_picture_stops_the_packing(tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_text("a.jpg b.jpg 1\n")
    (tmp_path / "a.jpg").write_bytes(JPEGS[0])
    with pytest.raises(DataError, match=r"1 pictures.*b\.jpg"):
        pack_pair_bin(tmp_path / "pairs.txt", tmp_path, tmp_path / "c.bin")
    assert not (tmp_path / "c.bin").exists()


class Evil:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> Any:
        return self.function, self.arguments


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_nothing_that_a_file_asks_for_is_run(tmp_path: Path, protocol: int) -> None:
    target = tmp_path / "run"
    for number, evil in enumerate(
        [Evil(subprocess.check_call, ["touch", str(target)]), Evil(open, str(target), "w"), Evil(eval, "1")]
    ):
        path = tmp_path / f"{number}.bin"
        path.write_bytes(pickle.dumps(([evil], SAME), protocol))
        with pytest.raises(DataError, match="nothing of it was run"):
            read_pair_bin(path)
    assert not target.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b".",
        b"\x80\x04",
        pickle.dumps((JPEGS, SAME))[:-20],
        pickle.dumps((JPEGS, [*SAME, True])),
        pickle.dumps((JPEGS, [True, 2])),
        pickle.dumps((JPEGS, ["yes", "no"])),
        pickle.dumps((["a", "b", "c", "d"], SAME)),
        pickle.dumps({"a": 1}),
        pickle.dumps(([], [])),
        pickle.dumps((JPEGS, SAME, 1)),
        pickle.dumps(np.zeros(4)),
        b"\x80\x04B\xff\xff\xff\x7fabc.",  # claims two gigabytes
        b"\x80\x04h\x05.",  # from an empty memory
        b"\x80\x04e.",
        b"\x80\x04(((.",
        b"\x80\x02cnumpy\nndarray\n)\x81.",
        b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x06\x00\x00\x00rot_13\x86R.",
        b"\x80\x02]q\x00h\x00h\x00\x86.",
        b"P7\n.",  # a persistent identifier
    ],
)
def test_damaged_and_strange_files_are_refused_in_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.bin"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"bad\.bin"):
        read_pair_bin(path)
