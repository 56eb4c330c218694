"""Lists and folders that are not as they should be: one sentence each, and notes beside the pictures do no harm."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agetrans.data.labelled import DataError
from agetrans.data.layouts import find_layout
from agetrans.data.shards import Shards, encode_face
from agetrans.data.tfrecord import write_record
from tests.data.collections import write_pictures


@pytest.mark.parametrize("layout", ["csv", "auto"])
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"file,age\na.jpg,31\nb.jpg\n", r"labels\.csv, line 3: it is too short to have the column age\."),
        (
            "file,age\nZoë.jpg,31\n".encode("latin-1"),
            r"labels\.csv is not written in UTF-8, at byte 11: save it",
        ),
        (
            b'file,age\n"' + b"a" * 200_000 + b'",3\n',
            r"labels\.csv, after line 1: it is no CSV \(field larger",
        ),
        (None, r"labels\.csv cannot be read: No such file"),
    ],
)
def test_a_list_that_cannot_be_read(
    layout: str, content: bytes | None, sentence: str, tmp_path: Path
) -> None:
    write_pictures(tmp_path, ["a.jpg", "b.jpg"])
    labels = tmp_path / "labels.csv"
    if content is not None:
        labels.write_bytes(content)
    with pytest.raises(DataError, match=sentence):
        find_layout(layout, tmp_path, labels).read(tmp_path)


@pytest.mark.parametrize("layout", ["mtlface", "auto"])
def test_a_list_of_mtlface_that_cannot_be_read(layout: str, tmp_path: Path) -> None:
    labels = tmp_path / "scaf.txt"
    with pytest.raises(DataError, match=r"scaf\.txt cannot be read: No such file"):
        find_layout(layout, tmp_path, labels).read(tmp_path)
    labels.write_bytes("7 Zoë.jpg 31 1\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"scaf\.txt is not written in UTF-8"):
        find_layout(layout, tmp_path, labels).read(tmp_path)


def test_a_line_without_columns_that_need_not_be(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["a.jpg"])
    (tmp_path / "labels.csv").write_text("file,age,gender,identity\na.jpg,31\n")
    (photograph,) = find_layout("auto", tmp_path).read(tmp_path).photographs
    assert (photograph.male, photograph.identity) == (None, None)


@pytest.mark.parametrize("note", ["README.txt", "notes.csv"])
def test_notes_beside_the_pictures_do_not_choose_the_layout(note: str, tmp_path: Path) -> None:
    write_pictures(tmp_path, ["009055_1M54.JPG", "100102_02F19.jpg"])
    (tmp_path / note).write_bytes("Pictures by Zoë, all rights kept\n".encode("latin-1"))
    assert find_layout("auto", tmp_path).name == "morph"


def test_notes_beside_a_list_do_not_hide_it(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["a.jpg"])
    (tmp_path / "scaf.txt").write_text("7 a.jpg 31 1\n")
    (tmp_path / "README.txt").write_text("A subset.\n")
    layout = find_layout("auto", tmp_path)
    assert layout.name == "mtlface"
    assert [photograph.years for photograph in layout.read(tmp_path).photographs] == [31]


def write_shard(path: Path, ages: list[float]) -> None:
    with open(path, "wb") as file:
        for age in ages:
            write_record(
                file, encode_face(np.full((16, 16, 3), int(age), np.uint8), age, None, None, "a.png", ".png")
            )


def test_a_half_prepared_folder_is_refused(tmp_path: Path) -> None:
    for number in (0, 2):
        write_shard(tmp_path / f"faces-{number:05}-of-00003.tfrecord", [number])
    with pytest.raises(DataError, match=r"holds 2 of 3 shards: run the same agetrans prepare again"):
        Shards(tmp_path)
    write_shard(tmp_path / "faces-00001-of-00003.tfrecord", [])
    assert Shards(tmp_path).years.tolist() == [0, 2]


def test_the_fingerprint_is_that_of_the_photographs_and_their_order(tmp_path: Path) -> None:
    def fingerprint(name: str, *shards: list[float]) -> str:
        (tmp_path / name).mkdir()
        for number, ages in enumerate(shards):
            write_shard(tmp_path / name / f"faces-{number:05}-of-{len(shards):05}.tfrecord", ages)
        return Shards(tmp_path / name).fingerprint

    first = fingerprint("a", [10, 20, 30])
    assert len(first) == 16
    assert fingerprint("b", [10, 20], [30]) == first, "how they are cut into shards does not matter"
    assert first not in (
        fingerprint("c", [10, 20, 31]),
        fingerprint("d", [20, 10, 30]),
        fingerprint("e", [10, 20]),
    )
