"""`agetrans verify` as a user meets it, on small sets with known answers; and what recognisers read."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from agetrans.data.labelled import DataError
from agetrans.data.pairbins import write_pair_bin
from agetrans.faces import FaceNotFound
from agetrans.pictures import write_picture
from agetrans.recognition import recognisers
from agetrans.recognition.alignment import TEMPLATE, align, five_of_68
from agetrans.recognition.benchmarks import verify_pairs
from agetrans.recognition.curves import rank_curve, roc_curve
from agetrans.recognition.families import cross_age_pairs, read_families
from agetrans.recognition.protocols import verify
from agetrans.recognition.recognisers import PictureRecogniser, Views, read_views
from tests.test_cli import agetrans

PEOPLE = {"anna": (200, 30, 30), "bert": (30, 200, 30), "zoe": (30, 30, 200), "kim": (150, 150, 30)}


class ColourRecogniser(PictureRecogniser):
    """Knows people by the colour of the picture's left half, and their mirror images by that of the right one."""

    name = "colours"
    framed = True

    def face(self, picture: np.ndarray) -> Any:
        if picture.max() < 5:
            raise FaceNotFound("no face was found")
        return picture

    def embed(self, faces: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
        half = faces[0].shape[1] // 2
        return tuple(
            np.stack([face[:, part].mean(axis=(0, 1)) - 90 for face in faces])
            for part in (slice(None, half), slice(half, None))
        )  # type: ignore[return-value]


@pytest.fixture(autouse=True)
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognisers, "find_recogniser", lambda *_: ColourRecogniser())


def draw(path: Path, colour: Sequence[int]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(path, np.broadcast_to(np.array(colour, np.uint8), (32, 32, 3)).copy())
    return path


def collection(folder: Path) -> Path:
    """Each of four people at three ages; anna at 70 looks like bert."""
    for person, colour in PEOPLE.items():
        for number, age in enumerate((5, 30, 70)):
            shown = PEOPLE["bert"] if (person, age) == ("anna", 70) else colour
            draw(folder / person / f"{number:03}_{age}.png", np.add(shown, (number, 0, 0)))
    return folder


def figures(out: Path) -> dict[tuple[str, str], Any]:
    lines = [json.loads(line) for line in (out / "figures.jsonl").read_text().splitlines()]
    return {(line["figure"], line["views"]): line for line in lines}


def all_pairs(folder: Path) -> list[str]:
    files = sorted(path.relative_to(folder) for path in folder.rglob("*.png"))
    pairs = [(a, b) for n, a in enumerate(files) for b in files[n + 1 :]]
    return [f"{a} {b} {int(a.parent == b.parent)}\n" for a, b in pairs]


def test_pairs_in_a_list_and_in_a_bin_give_the_same_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = collection(tmp_path / "faces")
    lines = all_pairs(folder)
    (tmp_path / "pairs.txt").write_text("".join(lines))
    out = tmp_path / "out"
    command = (
        "verify",
        "pairs",
        tmp_path / "pairs.txt",
        "--pictures",
        folder,
        "--layout",
        "dal",
        "--out",
        out,
    )
    assert agetrans(*command) == 0
    printed = capsys.readouterr().out
    assert "66 pairs, 12 of one person; 0 pairs left out" in printed
    listed = figures(out)
    # Wrong at any threshold: anna at 70 beside herself twice, and beside bert three times.
    assert listed["accuracy, 10 folds", "added"]["value"] == pytest.approx(1 - 5 / 66, abs=0.02)
    assert listed["right, 30+ years apart", "added"]["count"] == 32
    assert listed["TAR at FAR 0.01 %", "added"]["value"] is None  # 54 pairs of two people cannot tell
    assert listed["TAR at FAR 10 %", "added"]["value"] == pytest.approx(10 / 12)
    ElementTree.parse(out / "roc.svg")

    contents, same = [], []
    for line in lines:
        first, second, label = line.split()
        contents += [(folder / first).read_bytes(), (folder / second).read_bytes()]
        same.append(label == "1")
    write_pair_bin(tmp_path / "set.bin", contents, same)
    assert agetrans("verify", "pairs", tmp_path / "set.bin", "--out", tmp_path / "again") == 0
    again = figures(tmp_path / "again")
    for key, figure in again.items():
        assert {**listed[key], "set": ""} == {**figure, "set": ""}


def test_pictures_that_cannot_be_used_are_counted_and_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = collection(tmp_path / "faces")
    (tmp_path / "pairs.txt").write_text("".join(all_pairs(folder)))
    (folder / "zoe" / "000_5.png").unlink()
    draw(folder / "kim" / "000_5.png", (0, 0, 0))
    out = tmp_path / "out"
    assert agetrans("verify", "pairs", tmp_path / "pairs.txt", "--pictures", folder, "--out", out) == 1
    printed = capsys.readouterr().out
    # Of the 66 pairs each of the two has 11, one in common.
    assert "45 pairs, 8 of one person; 21 pairs left out, because 2 pictures cannot be used" in printed
    listed = (out / "unused.csv").read_text()
    assert "zoe/000_5.png" in listed
    assert "kim/000_5.png,no face was found" in listed


def test_leave_one_out_and_ranks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = collection(tmp_path / "faces")
    draw(folder / "lone" / "000_40.png", (200, 200, 200))
    out = tmp_path / "out"
    assert agetrans("verify", "leave-one-out", folder, "--out", out) == 0
    printed = capsys.readouterr().out
    assert "13 pictures of 5 people" in printed
    assert "the only picture of its person, so in the galleries and no probe: 1 of 13" in printed
    found = figures(out)
    # Anna at 70 is nearest to bert, and nobody else is wrong: bert is nearest to himself or to her by one grey level.
    first = found["leave-one-out, rank 1", "one view"]
    assert first["count"] == 12
    assert first["value"] in (pytest.approx(11 / 12), pytest.approx(10 / 12))
    assert found["rank 1, probes of 5-9 years", "added"]["value"] == 1.0
    ElementTree.parse(out / "ranks.svg")
    for number in range(3):
        draw(tmp_path / "others" / f"{number}.png", (200, 100, 200 - number))
    assert (
        agetrans("verify", "leave-one-out", folder, "--distractors", tmp_path / "others", "--out", out) == 0
    )
    assert "one picture among 3 distractors" in capsys.readouterr().out
    ranks = figures(out)
    assert ranks["among distractors, rank 5", "added"]["value"] == 1.0
    assert ranks["among distractors, rank 1", "added"]["count"] == 24


def test_fg_nets_names_are_read(tmp_path: Path) -> None:
    for name, person in (("001A05", "anna"), ("001A43a", "anna"), ("002A10", "bert"), ("002A50", "bert")):
        draw(tmp_path / "fgnet" / f"{name}.png", PEOPLE[person])
    assert agetrans("verify", "leave-one-out", tmp_path / "fgnet", "--out", tmp_path / "out") == 0
    assert figures(tmp_path / "out")["leave-one-out, rank 1", "concatenated"]["value"] == 1.0


def test_probes_and_gallery_of_different_sizes_match_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for person in ("zoe", "anna", "bert"):
        draw(tmp_path / "gallery" / person / "x.png", PEOPLE[person])
    for number, (person, shown) in enumerate(
        [("anna", "anna"), ("bert", "zoe"), ("anna", "anna"), ("nobody", "bert")]
    ):
        draw(tmp_path / "probe" / person / f"{number}.png", PEOPLE[shown])
    out = tmp_path / "out"
    command = ("verify", "probe-gallery", tmp_path / "probe", tmp_path / "gallery", "--out", out)
    assert agetrans(*command, "--layout", "folders") == 0
    found = figures(out)
    assert found["rank 1", "added"]["value"] == pytest.approx(2 / 3)
    assert found["rank 5", "added"]["value"] == 1.0
    assert "1 probes show people that the gallery does not have" in capsys.readouterr().out


def test_morphs_names_are_read(tmp_path: Path) -> None:
    for folder, name, person in (
        ("gallery", "009055_0M20", "anna"),
        ("gallery", "009056_0F30", "bert"),
        ("probe", "009055_1M54", "anna"),
    ):
        draw(tmp_path / folder / f"{name}.png", PEOPLE[person])
    command = ("verify", "probe-gallery", tmp_path / "probe", tmp_path / "gallery", "--out", tmp_path / "out")
    assert agetrans(*command) == 0
    assert figures(tmp_path / "out")["rank 1", "added"]["value"] == 1.0


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["pairs", "none.txt"], "There is no file none.txt"),
        (["pairs", "{bad}"], "no test set"),
        (["pairs", "{few}"], "needs pairs of one person and of two"),
        (["pairs", "{gone}"], "None of 2 pictures can be used, the first because There is no file"),
        (["leave-one-out", "none"], "There is no folder none"),
        (["leave-one-out", "{faces}", "--distractors", "none"], "There is no folder none"),
        (["leave-one-out", "{faces}", "--layout", "fg-net"], "12 files of"),
        (["leave-one-out", "{faces}/anna", "--layout", "folders"], "Nothing says who is in"),
        (["probe-gallery", "{faces}", "none"], "There is no folder none"),
        (["probe-gallery", "{faces}"], "required: GALLERY"),
        (["pairs", "x", "--faces", "maybe"], "invalid choice"),
    ],
)
def test_what_cannot_be_measured_is_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str], message: str
) -> None:
    folder = collection(tmp_path / "faces")
    files = {"bad": "x.bin", "few": "few.txt", "gone": "gone.txt"}
    (tmp_path / "x.bin").write_bytes(b"hello")
    (tmp_path / "few.txt").write_text("faces/anna/000_5.png faces/bert/000_5.png 0\n" * 20)
    (tmp_path / "gone.txt").write_text("a.png b.png 0\n")
    places = {name: str(tmp_path / file) for name, file in files.items()} | {"faces": str(folder)}
    filled = [word.format(**places) for word in command]
    assert agetrans("verify", *filled, "--out", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_views_keep_their_places(tmp_path: Path) -> None:
    paths = [
        draw(tmp_path / "a.png", (250, 90, 90)),
        tmp_path / "none.png",
        draw(tmp_path / "b.png", (90, 250, 90)),
    ]
    views = read_views(ColourRecogniser(), paths)
    assert views.usable.tolist() == [True, False, True]
    np.testing.assert_allclose(views.fused("added")[[0, 2]], np.eye(3)[:2])
    assert views.fused("concatenated").shape == (3, 6)
    assert [name for name, _ in views.unused] == [str(tmp_path / "none.png")]
    with pytest.raises(DataError, match="None of 1 pictures"):
        read_views(ColourRecogniser(), paths[1:2])


class Unframed(ColourRecogniser):
    """Finds points that fix no frame in red faces, and fails on blue ones."""

    def face(self, picture: np.ndarray) -> Any:
        if picture[0, 0, 0] > 100:
            align(picture, np.zeros((5, 2)))
        return super().face(picture)

    def embed(self, faces: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
        if max(face[0, 0, 2] for face in faces) > 100:
            raise ValueError("the network takes no blue faces.")
        return super().embed(faces)


def test_what_a_recogniser_cannot_read_is_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    collection(tmp_path / "faces")
    paths = [tmp_path / "faces" / person / "000_5.png" for person in ("anna", "bert")]
    views = read_views(Unframed(), paths)
    assert views.usable.tolist() == [False, True]
    assert "fix no rotation" in views.unused[0][1]
    monkeypatch.setattr(recognisers, "find_recogniser", lambda *_: Unframed())
    assert agetrans("verify", "leave-one-out", tmp_path / "faces", "--out", tmp_path / "out") == 2
    assert capsys.readouterr().err == "agetrans: the network takes no blue faces.\n"


def test_pairs_left_out_do_not_shift_the_folds() -> None:
    random = np.random.default_rng(2)
    count = 60
    same = np.arange(count) % 2 == 0
    faces = random.normal(size=(2 * count, 3))
    faces[1::2][same] = faces[::2][same] + random.normal(size=(count // 2, 3))
    faces[[4, 5, 33]] = np.nan
    result = verify_pairs(
        "set", Views(faces, faces, []), np.arange(0, 2 * count, 2), np.arange(1, 2 * count, 2), same
    )
    unit = faces / np.linalg.norm(faces, axis=1)[:, None]
    scores = (unit[::2] * unit[1::2]).sum(axis=1)
    usable = np.isfinite(scores)
    wanted = verify(scores, same, usable=usable).accuracy
    assert result.rows["accuracy, 10 folds"]["added"].value == pytest.approx(round(58 * wanted) / 58)
    assert result.rows["spread over the folds"]["added"].value == pytest.approx(
        verify(scores, same, usable=usable).spread
    )


def test_the_packaged_recogniser_reads_what_the_judge_reads(
    portrait: np.ndarray,
) -> None:
    pytest.importorskip("dlib")
    from agetrans.evaluation.judges import FaceLocator, MissingJudgeError, Recogniser

    try:
        packaged, judge = recognisers.PackagedRecogniser(), Recogniser()
    except MissingJudgeError as error:
        pytest.skip(str(error))
    picture = cv2.resize(portrait, None, fx=1.5, fy=1.5)
    plain, mirrored = packaged.embed([packaged.face(picture)])
    place = FaceLocator().locate(picture)
    assert place is not None
    np.testing.assert_allclose(plain, judge.embeddings([picture], [place]), atol=1e-6)
    # A mirror image shows the same person, and not the same picture.
    assert 0.9 < float((plain * mirrored).sum()) < 0.99999
    with pytest.raises(FaceNotFound):
        packaged.face(np.zeros((200, 200, 3), np.uint8))
    packaged.framed = True
    assert packaged.embed([packaged.face(np.zeros((112, 112, 3), np.uint8))])[0].shape == (1, 128)


def test_a_face_lies_on_the_template() -> None:
    """Bright dots where the five points are, in a picture turned and enlarged, come to lie on the template's points."""
    turn = 2.5 * np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
    points = TEMPLATE @ turn.T + (120, 30)
    rows, columns = np.mgrid[:400, :400]
    picture = sum(255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 50) for x, y in points)
    crop = align(np.repeat(np.clip(picture, 0, 255)[..., None], 3, axis=2).astype(np.uint8), points)
    assert crop.shape == (112, 112, 3)
    for x, y in TEMPLATE:
        near = crop[round(y) - 5 : round(y) + 6, round(x) - 5 : round(x) + 6, 0].astype(float)
        place = [(near.sum(axis=axis) * np.arange(11)).sum() / near.sum() for axis in (0, 1)]
        np.testing.assert_allclose(np.add(place, (round(x) - 5, round(y) - 5)), (x, y), atol=0.3)


def test_five_points_of_68() -> None:
    points = np.zeros((68, 2))
    points[36:42], points[42:48], points[30], points[48], points[54] = 1, 2, 3, 4, 5
    assert five_of_68(points)[:, 0].tolist() == [1, 2, 3, 4, 5]


def test_curves_go_through_their_points() -> None:
    rates = np.array([0.0, 0.01, 0.1, 1.0])
    for text, name in (
        (roc_curve({"a & b": (rates, np.array([0.0, 0.5, 0.75, 1.0]))}), "a & b"),
        (rank_curve({"one": (np.array([1.0, 5.0, 9.0]), np.array([0.5, 0.75, 1.0]))}), "one"),
    ):
        root = ElementTree.fromstring(text)
        spaces = {"svg": "http://www.w3.org/2000/svg"}
        (line,) = root.findall("svg:polyline", spaces)
        places = np.array([pair.split(",") for pair in line.attrib["points"].split()], float)
        # Equal steps across (of decades, of ranks), and half, three quarters and all of the height.
        np.testing.assert_allclose(np.diff(places[-3:, 0]), 280, atol=0.2)
        np.testing.assert_allclose(places[-3:, 1], [222, 119, 16], atol=0.2)
        assert name in [text.text for text in root.findall("svg:text", spaces)]


def test_cross_age_pairs_tell_nothing_by_their_ages() -> None:
    years = np.sort(np.random.default_rng(0).uniform(1, 77, (6, 4)), axis=1)
    pairs = cross_age_pairs(years)
    assert len(pairs) == 2 * 6 * 6
    for (a, b, same), (c, d, other) in zip(pairs[::2], pairs[1::2], strict=True):
        assert (same, other) == (True, False)
        assert a == c
        assert a // 4 == b // 4 != d // 4
        whole = years[d // 4]
        assert abs(years.flat[d] - years.flat[b]) == np.abs(whole - years.flat[b]).min()


def test_families_are_read_across_shards(tmp_path: Path) -> None:
    for first, count in ((100, 3), (120, 2)):
        np.savez(
            tmp_path / f"{first:06}.npz",
            pictures=np.full((count, 2, 4, 4, 3), first, np.uint8),
            intended=np.arange(2 * count, dtype=np.float32).reshape(count, 2),
            landmarks=np.zeros((count, 2, 68, 2), np.float32),
        )
    read = list(read_families(tmp_path, 2, 2))
    assert [name for name, *_ in read] == ["000100-02", "000120-00"]
    assert read[0][2].tolist() == [4, 5]
    assert [len(list(read_families(tmp_path, *part))) for part in ((0, 9), (4, 9), (5, 9), (3, 1))] == [
        5,
        1,
        0,
        1,
    ]
