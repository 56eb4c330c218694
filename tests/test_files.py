"""Files that are there whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from agetrans.files import whole_file, write_text


def test_a_file_appears_when_it_is_done(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "list.txt"
    with whole_file(target) as unfinished:
        unfinished.write_bytes(b"some")
        assert not target.exists()
        unfinished.write_bytes(b"all")
    assert target.read_bytes() == b"all"
    assert list(target.parent.iterdir()) == [target]


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "list.txt"
    target.write_bytes(b"old")

    def fail() -> None:
        with whole_file(target) as unfinished:
            unfinished.write_bytes(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_text_is_utf8_with_its_own_line_ends(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "größer\r\nas\n")
    assert (tmp_path / "a").read_bytes() == "größer".encode() + b"\r\nas\n"


def test_names_that_utf8_does_not_have_can_be_written(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "\udcff", errors="surrogateescape")
    assert (tmp_path / "a").read_bytes() == b"\xff"
    with pytest.raises(UnicodeEncodeError):
        write_text(tmp_path / "a", "\udcff")
    assert (tmp_path / "a").read_bytes() == b"\xff"
