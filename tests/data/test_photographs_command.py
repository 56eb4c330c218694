"""`python -m agetrans.data.photographs`: labelled photographs framed once."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from agetrans.cli.console import CommandError
from agetrans.data import photographs
from agetrans.data.framed import read_framed, read_text_label

COLUMNS = ("file", "split", "age", "gender", "race")
ROWS = (
    ("her.png", "train", "35", "f", "white"),
    ("wall.png", "train", "20", "m", "grey"),
    ("broken.png", "train", "20", "m", "grey"),
    ("other.png", "test", "102", "m", "white"),
)


@pytest.fixture
def labels(tmp_path: Path, portrait: np.ndarray) -> Path:
    """Labels of a portrait for each split, of a wall, and of a file that is no picture."""
    for name in ("her.png", "other.png"):
        cv2.imwrite(str(tmp_path / name), portrait[..., ::-1])
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((200, 200, 3), 127, np.uint8))
    (tmp_path / "broken.png").write_text("no picture")
    with open(tmp_path / "labels.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *ROWS])
    return tmp_path / "labels.csv"


def write(labels: Path, *flags: str) -> Path:
    out = labels.with_name("photos.npz")
    argv = (
        "photographs",
        "--labels",
        str(labels),
        "--pictures",
        str(labels.parent),
        "--out",
        str(out),
        *flags,
    )
    assert photographs.main(photographs.parse(list(argv))) == 0
    return out


def test_faces_of_a_split_are_framed_and_labelled(labels: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(labels, "--keep", "race")
    read = read_framed(path, "age", "male")
    assert read["pictures"].shape == (1, 256, 256, 3)
    assert (read["age"].item(), read["male"].item()) == (35.0, 0.0)
    assert read_text_label(path, "race").tolist() == ["white"]
    said = capsys.readouterr().out
    assert "Wrote 1 photographs" in said
    assert "2 could not be used" in said
    assert "wall.png" in said
    assert "broken.png" in said


def test_ages_end_at_a_hundred(labels: Path) -> None:
    read = read_framed(write(labels, "--split", "test"), "age", "male")
    assert (read["age"].item(), read["male"].item()) == (100.0, 1.0)


def test_refusals(labels: Path) -> None:
    with pytest.raises(CommandError, match="photographs without size"):
        write(labels, "--keep", "race", "--keep", "size")
    with pytest.raises(SystemExit, match="2"):
        write(labels, "--keep", "age")
    with pytest.raises(CommandError, match="No face of a photograph with the split 'none'"):
        write(labels, "--split", "none")
    labels.write_text(labels.read_text().replace("wall.png,train,20", "wall.png,train,young"))
    with pytest.raises(CommandError, match=r"ages of --labels must be numbers .*'young'"):
        write(labels)
