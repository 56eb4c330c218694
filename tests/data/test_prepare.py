"""Preparing photographs: faces into shards, once, whole, resumable; and what is said about what cannot be used."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from agetrans.cli.console import FAILED, in_sentences
from agetrans.cli.main import parse
from agetrans.cli.prepare import run
from agetrans.data import prepare
from agetrans.data.labelled import DataError, check_groups
from agetrans.data.prepare import Framing, make_shard, missing_shards, plan_shards
from agetrans.data.shards import Shards
from agetrans.groups import AgeGroups
from agetrans.pictures import read_picture
from tests.conftest import PORTRAIT
from tests.data.collections import write_pictures


def prepared(folder: Path, out: Path, *flags: str) -> int:
    arguments = parse(["agetrans", "prepare", str(folder), "--out", str(out), "--jobs", "1", *flags])
    return in_sentences(run, arguments)


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    """A portrait, a picture without a face, and a broken file, named as UTKFace does."""
    folder = tmp_path / "photographs"
    write_pictures(folder, ["5_1_0_2.jpg"], side=64)
    shutil.copy(PORTRAIT, folder / "38_1_0_1.jpg")
    (folder / "70_0_0_3.jpg").write_bytes(b"not a picture")
    return folder


def test_faces_become_shards(collection: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "prepared"
    assert prepared(collection, out, "--size", "64", "--format", "png") == 0
    shards = Shards(out)
    assert (len(shards), shards.size, shards.years.tolist(), shards.male.tolist()) == (1, 64, [38.0], [0])
    assert Path(shards.file(0)).name == "38_1_0_1.jpg"
    expected = prepare.frame(read_picture(PORTRAIT), size=64)
    np.testing.assert_array_equal(shards.picture(0), expected)
    with open(out / "unused.csv", newline="") as file:
        reasons = {Path(row["file"]).name: row["reason"] for row in csv.DictReader(file)}
    assert reasons.keys() == {"5_1_0_2.jpg", "70_0_0_3.jpg"}
    assert reasons["5_1_0_2.jpg"] == "no face was found"
    said = capsys.readouterr()
    assert "30-39 years:       1" in said.out
    assert "Careful: There is only one photograph" in said.err


def test_a_cut_off_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out = tmp_path / "photographs", tmp_path / "out"
    write_pictures(folder, [f"{age}_1_0_1.jpg" for age in range(10, 70, 10)], side=32)
    flags = ("--framing", "none", "--size", "16", "--shard_size", "2")
    assert prepared(folder, out, *flags) == 0
    files = sorted(out.glob("*.tfrecord"))
    contents, times = [f.read_bytes() for f in files], [f.stat().st_mtime_ns for f in files]
    assert len(files) == 3
    files[1].unlink()
    files[1].with_name(files[1].name + ".partial").write_bytes(b"half")
    assert prepared(folder, out, *flags) == 0
    assert [f.read_bytes() for f in files] == contents
    assert [f.stat().st_mtime_ns == time for f, time in zip(files, times, strict=True)] == [True, False, True]
    assert len(Shards(out)) == 6


def test_a_folder_belongs_to_one_collection(
    collection: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    plan_shards(prepare_photographs(collection), out, Framing(size=64))
    assert prepared(collection, out, "--size", "32") == FAILED
    assert "was prepared from other photographs, or with other flags" in capsys.readouterr().err


def prepare_photographs(folder: Path) -> list:
    from agetrans.data.layouts import UTKFace

    return UTKFace().read(folder).photographs


def test_framed_pictures_must_be_square(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "30_1_0_1.png"), np.zeros((40, 60, 3), np.uint8))
    (shard,) = plan_shards(prepare_photographs(tmp_path), tmp_path / "out", Framing("none", 16))
    assert make_shard(shard) == 0
    assert "square" in shard.unused_path.read_text()
    assert missing_shards([shard]) == []


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--size", "3"), "--size must be 16 or more"),
        (("--layout", "imdb"), "There is no layout imdb"),
        (("--layout", "morph"), "could be read as morph"),
        (("--group", "7"), "Age groups are 10, 4"),
        (("--runner", "DirectRunner", "--beam_option", "x"), None),
    ],
)
def test_wrong_flags_get_a_sentence(
    flags: tuple[str, ...],
    sentence: str | None,
    collection: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if sentence is None:
        if "apache_beam" in sys.modules or _has_beam():
            pytest.skip("Beam is installed")
        sentence = "--runner needs Apache Beam"
    assert prepared(collection, tmp_path / "out", *flags) == FAILED
    assert sentence in capsys.readouterr().err


def _has_beam() -> bool:
    import importlib.util

    return importlib.util.find_spec("apache_beam") is not None


def test_the_pipeline_writes_the_same_shards(collection: Path, tmp_path: Path, beam: None) -> None:
    flags = ("--framing", "none", "--size", "16", "--shard_size", "1")
    assert prepared(collection, tmp_path / "a", *flags) == 0
    assert prepared(collection, tmp_path / "b", *flags, "--runner", "DirectRunner") == 0
    first, second = (sorted(folder.glob("*.tfrecord")) for folder in (tmp_path / "a", tmp_path / "b"))
    assert first
    assert [f.name for f in first] == [f.name for f in second]
    assert [f.read_bytes() for f in first] == [f.read_bytes() for f in second]


def test_preparing_needs_neither_tensorflow_nor_keras() -> None:
    code = (
        "import sys, agetrans.data.prepare, agetrans.data.facebatches; "
        "print({'tensorflow', 'keras', 'torch'} & {*sys.modules})"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


def test_broken_shards_get_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no prepared photographs in .*agetrans prepare"):
        Shards(tmp_path)
    (tmp_path / "a.tfrecord").write_bytes(b"something else altogether")
    with pytest.raises(DataError, match=r"a.tfrecord is no shard"):
        Shards(tmp_path)


def test_a_damaged_picture_gets_a_sentence(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["30_1_0_1.png"], side=32)
    (shard,) = plan_shards(prepare_photographs(tmp_path), tmp_path / "out", Framing("none", 16, kind=".png"))
    assert make_shard(shard) == 1
    content = bytearray(shard.path.read_bytes())
    content[content.index(b"IDAT") + 8] ^= 255
    shard.path.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"damaged.*Prepare this shard again"):
        Shards(tmp_path / "out").picture(0)


def test_groups_that_training_cannot_do_without() -> None:
    groups = AgeGroups.of(4)
    with pytest.raises(DataError, match=r"There is no photograph: "):
        check_groups([], groups)
    with pytest.raises(DataError, match=r"only one photograph"):
        check_groups([30], groups)
    with pytest.raises(DataError, match=r"no photograph of the age groups 30-39, 50"):
        check_groups([20, 40], groups)
    thin = check_groups([20] * 30 + [30] * 30 + [40] * 3 + [50] * 20, groups)
    assert thin == ["The group 40-49 has only 3 photographs: they will be seen over and over."]
