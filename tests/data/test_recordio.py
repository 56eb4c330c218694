"""InsightFace's training sets: files made by hand, round trips, and hostile ones."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agetrans.data.insightface import extract_records, pack_records
from agetrans.data.labelled import DataError
from agetrans.data.recordio import MAGIC, RecordFile, read_property, write_record, write_records

JPEG = b"\xff\xd8\xff\xe0 a picture"
WORD = struct.pack("<I", MAGIC)


def part(content: bytes, flag: int = 0) -> bytes:
    return struct.pack("<II", MAGIC, flag << 29 | len(content)) + content + b"\0" * (-len(content) % 4)


def image(label: float, content: bytes, *, array: tuple[float, ...] = ()) -> bytes:
    header = struct.pack("<IfQQ", len(array), label, 7, 0)
    return header + struct.pack(f"<{len(array)}f", *array) + content


def write_set(folder: Path, records: list[bytes], *, index: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    offsets, data = [], b""
    for record in records:
        offsets.append(len(data))
        data += record
    (folder / "train.rec").write_bytes(data)
    if index:
        lines = "".join(f"{key}\t{offset}\n" for key, offset in enumerate(offsets))
        (folder / "train.idx").write_text(lines)
    return folder


@pytest.mark.parametrize("index", [True, False])
def test_pictures_go_to_folders_of_people_byte_for_byte(tmp_path: Path, index: bool) -> None:
    records = [
        part(image(0, b"", array=(4.0, 6.0))),
        part(image(3, JPEG)),
        part(image(0, JPEG + b"2", array=(5.0, 1.0))),  # labels as an array: the first counts
        part(image(3, b"\x89PNG x")),
        part(image(0, b"", array=(1.0, 3.0))),  # a record of a person, behind the pictures
    ]
    result = extract_records(write_set(tmp_path / "set", records, index=index), tmp_path / "out")
    files = {str(p.relative_to(tmp_path / "out")): p.read_bytes() for p in (tmp_path / "out").rglob("*.*")}
    assert files == {
        "000003/00000001.jpg": JPEG,
        "000005/00000002.jpg": JPEG + b"2",
        "000003/00000003.png": b"\x89PNG x",
    }
    assert (result.written, result.people, result.unused) == (3, 2, [])


def test_sets_without_a_header_record_are_all_pictures(tmp_path: Path) -> None:
    records = [part(image(0, JPEG)), part(image(1, JPEG))]
    assert extract_records(write_set(tmp_path / "set", records), tmp_path / "out").written == 2


def test_split_records_get_the_magic_number_back(tmp_path: Path) -> None:
    whole = image(2, JPEG + b"!" * (-len(JPEG) % 4) + WORD + b"tail" + WORD + b"end")
    first, second, third = whole.split(WORD)
    path = tmp_path / "train.rec"
    path.write_bytes(part(first, 1) + part(second, 2) + part(third, 3))
    with RecordFile(path) as file:
        assert file.read(0).content == whole[24:]


@settings(max_examples=50, deadline=None)
@given(pieces=st.lists(st.sampled_from([WORD, b"a", b"bcd", b"\0\0\0\0", WORD[:2]]), max_size=8))
def test_what_is_written_is_read(pieces: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> None:
    content = b"".join(pieces)
    path = tmp_path_factory.mktemp("rec") / "train.rec"
    with path.open("wb") as file:
        write_record(file, image(1, content))
        write_record(file, image(2, b"next"))
    # No magic number may stand inside a part at a multiple of 4: readers look for it there after damage.
    with RecordFile(path) as records:
        assert [records.read(key).content for key in records.offsets] == [content, b"next"]


def test_a_set_is_written_as_insightface_has_them(tmp_path: Path) -> None:
    for name in ("anna/1.jpg", "anna/2.jpg", "bert/1.jpg"):
        (tmp_path / "people" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "people" / name).write_bytes(JPEG + name.encode())
    assert pack_records(tmp_path / "people", tmp_path / "set", (112, 96)) == 3
    assert read_property(tmp_path / "set" / "property") == (2, 112, 96)
    data = (tmp_path / "set" / "train.rec").read_bytes()
    assert data.startswith(part(image(0, b"", array=(4.0, 6.0))).replace(b"\x07", b"\0", 1)[:40])
    result = extract_records(tmp_path / "set", tmp_path / "out")
    assert (result.written, result.people) == (3, 2)
    assert (tmp_path / "out/000001/00000003.jpg").read_bytes() == JPEG + b"bert/1.jpg"


@pytest.mark.parametrize(
    ("data", "index"),
    [
        (b"no record at all", "0\t0\n"),
        (part(image(0, JPEG))[:30], "0\t0\n"),  # cut off
        (struct.pack("<II", MAGIC, (1 << 29) - 1) + b"x" * 40, "0\t0\n"),  # claims half a gigabyte
        (part(b"short"), "0\t0\n"),
        (part(image(0, b"", array=(1.0,) * 3)[:28]), "0\t0\n"),  # more labels than bytes
        (part(struct.pack("<IfQQ", 2**32 - 1, 0, 0, 0)), "0\t0\n"),
        (part(image(0, JPEG), 2), "0\t0\n"),  # the middle of nothing
        (part(image(0, JPEG), 1) + part(b"again", 1), "0\t0\n"),
        (part(image(0, b"", array=(float("nan"), 0.0))), "0\t0\n"),
        (part(image(0, JPEG)), "0\t99999999999\n"),
        (part(image(0, JPEG)), "0\t-1\n"),
        (part(image(0, JPEG)), "0\t0\n0\t0\n"),
        (part(image(0, JPEG)), f"0\t{'9' * 5000}\n"),
        (part(image(0, JPEG)), "\xe9\n"),
        (b"", "0\t0\n"),
    ],
)
def test_damaged_and_hostile_files_are_refused_in_a_sentence(tmp_path: Path, data: bytes, index: str) -> None:
    (tmp_path / "train.rec").write_bytes(data)
    (tmp_path / "train.idx").write_bytes(index.encode("latin-1"))
    with pytest.raises(DataError, match=r"train\.(rec|idx)"):
        read_all(tmp_path / "train.rec")


def read_all(path: Path) -> None:
    with RecordFile(path, path.with_suffix(".idx")) as file:
        list(file.pictures())
        file.read(0)


@pytest.mark.parametrize("label", [-1.0, 0.5, float("nan"), float("inf"), 1e20])
def test_a_record_that_cannot_be_used_is_counted_and_named(tmp_path: Path, label: float) -> None:
    records = [part(image(label, JPEG)), part(image(1, b"no picture")), part(image(2, JPEG))]
    result = extract_records(write_set(tmp_path / "set", records), tmp_path / "out")
    assert result.written == 1
    assert [key for key, _ in result.unused] == ["0", "1"]
    assert len((tmp_path / "out/unused.csv").read_text().splitlines()) == 3


def test_more_people_than_the_property_file_says(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    write_records(folder, iter([(0, JPEG), (7, JPEG)]), people=8, size=(112, 112))
    (folder / "property").write_text("7,112,112")
    result = extract_records(folder, tmp_path / "out")
    assert result.written == 1
    assert "person 7 of 7" in result.unused[0][1]
