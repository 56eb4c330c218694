"""`agetrans prepare insightface`, as a user meets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agetrans.data.pairbins import read_pair_bin, write_pair_bin
from agetrans.data.recordio import write_records
from tests.test_cli import agetrans

JPEG = b"\xff\xd8\xff picture"


def test_there_and_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_records(tmp_path / "set", iter([(0, JPEG), (1, JPEG), (1, JPEG)]), 2, (112, 112))
    assert agetrans("prepare", "insightface", tmp_path / "set", "--out", tmp_path / "people") == 0
    assert "3 pictures of 2 people" in capsys.readouterr().out
    assert agetrans("prepare", "insightface", tmp_path / "people", "--pack", "--out", tmp_path / "again") == 0
    assert (tmp_path / "again/train.rec").read_bytes() == (tmp_path / "set/train.rec").read_bytes()

    write_pair_bin(tmp_path / "lfw.bin", [JPEG] * 4, [True, False])
    assert agetrans("prepare", "insightface", tmp_path / "lfw.bin", "--out", tmp_path / "t") == 0
    assert "2 pairs, 1 of one person" in capsys.readouterr().out
    out = tmp_path / "b.bin"
    assert agetrans("prepare", "insightface", tmp_path / "t/lfw.txt", "--pack", "--out", out) == 0
    assert read_pair_bin(out) == read_pair_bin(tmp_path / "lfw.bin")


def test_one_of_each_is_said_in_the_singular(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_records(tmp_path / "set", iter([(0, JPEG)]), 1, (112, 112))
    write_pair_bin(tmp_path / "lfw.bin", [JPEG] * 2, [True])
    runs = {
        "1 picture of 1 person is in": ("set", "--out", "people"),
        "1 picture is in": ("people", "--pack", "--out", "again"),
        "1 pair, 1 of one person": ("lfw.bin", "--out", "t"),
        "1 pair is in": ("t/lfw.txt", "--pack", "--out", "b.bin"),
    }
    for says, (source, *flags, out) in runs.items():
        assert agetrans("prepare", "insightface", tmp_path / source, *flags, tmp_path / out) == 0
        assert capsys.readouterr().out.startswith(says)


def test_what_cannot_be_read_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.bin").write_bytes(b"cos\nsystem\n(S'touch x'\ntR.")
    assert agetrans("prepare", "insightface", tmp_path / "bad.bin", "--out", tmp_path / "o") == 2
    assert "'os.system', which is not data" in capsys.readouterr().err
    assert agetrans("prepare", "insightface", tmp_path / "none", "--out", tmp_path / "o") == 2
    assert "There is no" in capsys.readouterr().err
