"""Lists of pairs, each as its set has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from agetrans.data.labelled import DataError
from agetrans.data.pairlists import Pair, missing_pictures, read_pairs, write_pairs


def pairs_of(tmp_path: Path, text: str) -> list[tuple[str, str, bool]]:
    (tmp_path / "list.txt").write_text(text, encoding="utf-8")
    return [(str(p.first), str(p.second), p.same) for p in read_pairs(tmp_path / "list.txt", Path("d"))]


def test_cacd_vs_and_calfw(tmp_path: Path) -> None:
    text = "0000_0.jpg 0000_1.jpg 1\nCarl_Reiner_0001.jpg Carl_Reiner_0003.jpg 0\na/1.png b/2.png -1\n"
    assert pairs_of(tmp_path, text) == [
        ("d/0000_0.jpg", "d/0000_1.jpg", True),
        ("d/Carl_Reiner_0001.jpg", "d/Carl_Reiner_0003.jpg", False),
        ("d/a/1.png", "d/b/2.png", False),
    ]


def test_names_may_hold_spaces(tmp_path: Path) -> None:
    assert pairs_of(tmp_path, "my mother 1.jpg my mother 2.JPG 1\n") == [
        ("d/my mother 1.jpg", "d/my mother 2.JPG", True)
    ]


def test_two_lines_a_pair(tmp_path: Path) -> None:
    text = "A_0001.jpg 1\nA_0002.jpg 1\nA_0001.jpg 0\nB_0001.jpg 0\n"
    assert pairs_of(tmp_path, text) == [
        ("d/A_0001.jpg", "d/A_0002.jpg", True),
        ("d/A_0001.jpg", "d/B_0001.jpg", False),
    ]


def test_lfw(tmp_path: Path) -> None:
    assert pairs_of(tmp_path, "10\t300\nAbel_Pacheco\t1\t4\nAbdel_Madi\t5\tDean_Barker\t12\n") == [
        ("d/Abel_Pacheco/Abel_Pacheco_0001.jpg", "d/Abel_Pacheco/Abel_Pacheco_0004.jpg", True),
        ("d/Abdel_Madi/Abdel_Madi_0005.jpg", "d/Dean_Barker/Dean_Barker_0012.jpg", False),
    ]


def test_csv(tmp_path: Path) -> None:
    assert pairs_of(tmp_path, "file_a,file_b,same\n1.jpg,2.jpg,1\n3.jpg,4.jpg,0\n") == [
        ("d/1.jpg", "d/2.jpg", True),
        ("d/3.jpg", "d/4.jpg", False),
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a.jpg b.jpg 1\na.jpg 1\n", 2),
        ("a.jpg b.jpg 7\n", 1),
        ("a.jpg 1\nb.jpg 2\n", 2),
        ("file_a,file_b,same\na.jpg,b.jpg,maybe\n", 2),
        ("10 300\nname 1\n", 2),
        ("nonsense\n", 1),
    ],
)
def test_an_unreadable_line_is_named(tmp_path: Path, text: str, line: int) -> None:
    with pytest.raises(DataError, match=f"line {line}:"):
        pairs_of(tmp_path, text)


def test_missing_pictures_are_named_once(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    pair = Pair(tmp_path / "a.jpg", tmp_path / "b.jpg", True)
    assert missing_pictures([pair, pair]) == [tmp_path / "b.jpg"]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    rows = [("x/1.jpg", "x/2.jpg", True), ("x/1.jpg", "y z/1.jpg", False)]
    write_pairs(tmp_path / "p.txt", rows)
    assert [(str(p.first), str(p.second), p.same) for p in read_pairs(tmp_path / "p.txt", Path())] == rows
