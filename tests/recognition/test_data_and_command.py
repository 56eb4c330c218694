"""Batches, and `agetrans train-recognition` as a user meets it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agetrans.data.labelled import DataError, Photograph
from agetrans.faces import Face
from agetrans.pictures import read_picture, write_picture
from agetrans.recognition import backbones, recognisers
from agetrans.recognition.alignment import TEMPLATE
from agetrans.recognition.data import FaceSet, RecognitionBatches, read_face
from agetrans.recognition.recognisers import find_recogniser, read_views
from agetrans.recognition.session import load_recogniser
from agetrans.recognition.settings import preset
from tests.models.agetrans_reference import numbers
from tests.test_cli import agetrans

SMALL = [
    "--size=32x32",
    "--width=2",
    "--features=4",
    "--batch=4",
    "--steps=2",
    "--tick=1",
    "--warmup=0",
    "--learning_rate=0.001",
]


def people(folder: Path, side: tuple[int, int] = (32, 32)) -> Path:
    random = np.random.default_rng(0)
    for person in ("anna", "bert", "zoe"):
        for number, age in enumerate((5, 30, 70)):
            path = folder / person / f"{number:03}_{age}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_picture(path, random.integers(0, 256, (*side, 3), dtype=np.uint8))
    return folder


def photographs(count: int) -> list[Photograph]:
    return [Photograph(Path(f"{n}.jpg"), n % 90, identity=f"id{7 * (n % 5)}") for n in range(count)]


def test_every_picture_is_seen_once_a_pass_whatever_the_batch() -> None:
    faces = FaceSet.of(photographs(103))
    batches = RecognitionBatches(faces, replace(preset("baseline", "cpu"), batch=10))
    seen = np.concatenate([batches.rows(number) for number in range(103)])  # ten passes
    assert set(Counter(seen.tolist()).values()) == {10}
    for start in range(0, 1030, 103):
        assert sorted(seen[start : start + 103]) == list(range(103))
    assert (seen[:103] != seen[103:206]).any()
    other = RecognitionBatches(faces, batches.settings, seed=1)
    assert (other.rows(0) != batches.rows(0)).any()


def test_data_smaller_than_a_batch_is_no_trouble() -> None:
    batches = RecognitionBatches(FaceSet.of(photographs(3)), replace(preset("baseline", "cpu"), batch=8))
    assert Counter(batches.rows(0).tolist() + batches.rows(1).tolist() + batches.rows(2).tolist()) == {
        0: 8, 1: 8, 2: 8
    }  # fmt: skip


def test_people_are_numbered_from_zero_whatever_they_are_called() -> None:
    faces = FaceSet.of(photographs(20))
    assert sorted(set(faces.identity.tolist())) == [0, 1, 2, 3, 4]
    assert [faces.people[n] for n in faces.identity] == [str(p.identity) for p in photographs(20)]


@pytest.mark.parametrize("identity", [None, "one"])
def test_people_must_be_known_and_several(identity: str | None) -> None:
    with pytest.raises(DataError, match=r"[Rr]ecognition"):
        FaceSet.of([Photograph(Path("a.jpg"), 3, identity=identity)] * 2)


def test_an_empty_age_group_is_said_at_the_start() -> None:
    young = [Photograph(Path(f"{n}.jpg"), n % 40, identity=str(n % 3)) for n in range(40)]
    settings = replace(preset("mtlface", "cpu"), synthesise=True)
    with pytest.raises(DataError, match="begin at 41, 51, 61 years"):
        RecognitionBatches(FaceSet.of(young), settings)


def test_shares_of_a_batch_are_the_batch(tmp_path: Path) -> None:
    from agetrans.data.layouts import DAL

    faces = FaceSet.of(DAL().read(people(tmp_path)).photographs)
    settings = replace(preset("mtlface", "cpu"), size=(32, 32), batch=4, groups=4, synthesise=True)
    with pytest.raises(DataError, match="31, 41"):
        RecognitionBatches(faces, settings)
    settings = replace(settings, synthesise=False)
    drawn = np.random.get_state()[1].copy()  # noqa: NPY002
    whole = RecognitionBatches(faces, settings).make(3)
    np.testing.assert_array_equal(drawn, np.random.get_state()[1])  # noqa: NPY002
    parts = [RecognitionBatches(faces, settings, share=(n, 2)).make(3) for n in range(2)]
    for name, value in whole.items():
        np.testing.assert_array_equal(value, np.concatenate([part[name] for part in parts]))


def test_faces_are_cut_as_the_narrow_template_lies_in_the_square_one(tmp_path: Path) -> None:
    picture = np.tile(np.arange(112, dtype=np.uint8)[None, :, None], (112, 1, 3))
    write_picture(tmp_path / "a.png", picture)
    np.testing.assert_array_equal(read_face(tmp_path / "a.png", (112, 96)), picture[:, 8:104])
    assert read_face(tmp_path / "a.png", (64, 64)).shape == (64, 64, 3)
    write_picture(tmp_path / "b.png", picture[:96])  # lies on its side
    for size in ((112, 96), (112, 112)):
        with pytest.raises(DataError, match="96 x 112"):
            read_face(tmp_path / "b.png", size)


def test_a_run_trains_and_leaves_a_recogniser(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setitem(backbones.UNITS, "ir18", (1,))  # it is made six times here
    data, out = people(tmp_path / "faces"), tmp_path / "run"
    command = ("train-recognition", data, "--method", "baseline", "--out", out, *SMALL, "--backbone=ir18")
    assert agetrans(*command) == 0
    assert "9 pictures of 3 people" in capsys.readouterr().out
    assert [json.loads(line)["step"] for line in (out / "log.jsonl").read_text().splitlines()] == [1, 2]
    paths = sorted(data.rglob("*.png"))
    write_picture(tmp_path / "wide.png", np.zeros((32, 48, 3), np.uint8))
    recogniser = find_recogniser(str(out))
    views = read_views(recogniser, [*paths, tmp_path / "wide.png"])
    assert views.usable.tolist() == [True] * 9 + [False]
    assert "frame the faces first" in views.unused[0][1]
    pictures = np.stack([read_picture(path) for path in paths]).astype("f") / 127.5 - 1
    network = load_recogniser(out)
    np.testing.assert_allclose(views.plain[:9], numbers(network(pictures)), atol=1e-5)
    np.testing.assert_allclose(views.mirrored[:9], numbers(network(pictures[:, :, ::-1].copy())), atol=1e-5)
    assert views.fused("concatenated").shape == (10, 8)
    # A photograph: the face that is found is put on the template, which here it lies on but for 8 pixels.
    recogniser.framed = False
    points = (TEMPLATE + 0.5) * 32 / 112 - 0.5 + (8, 0)
    monkeypatch.setattr(recognisers, "find_faces", lambda _: [Face((0, 0, 48, 32), points, 1.0)])
    photograph = np.zeros((32, 48, 3), np.uint8)
    photograph[:, 8:40] = read_picture(paths[0])
    write_picture(tmp_path / "wide.png", photograph)
    found = read_views(recogniser, [tmp_path / "wide.png"])
    np.testing.assert_allclose(found.plain, views.plain[:1], atol=0.02)
    assert agetrans("verify", "leave-one-out", data, "--model", out, "--out", tmp_path / "v") == 0
    assert "leave-one-out, rank 1" in capsys.readouterr().out
    assert agetrans(*command) == 0  # it has come to its end
    assert "goes on from step 2" in capsys.readouterr().out
    assert agetrans(*command, "--width", "4") == 2
    assert "another width" in capsys.readouterr().err


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What the command would train, which it does not."""
    from agetrans.recognition import session

    runs: list[tuple[Any, ...]] = []
    monkeypatch.setattr(session, "train", lambda *arguments: runs.append(arguments) or 0)
    return runs


def test_sets_without_ages_train_the_baseline_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], trained: list[tuple[Any, ...]]
) -> None:
    data = tmp_path / "faces"  # as agetrans prepare insightface leaves it
    for person in ("000001", "000002"):
        for number in (1, 2):
            path = data / person / f"{number:08}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_picture(path, np.full((32, 32, 3), 40 * number, np.uint8))
    (data / "unused.csv").write_text("record,reason\n7,damaged\n")
    for flags in ([], ["--layout", "folders"]):
        assert (
            agetrans("train-recognition", data, "--method", "baseline", "--out", tmp_path / "run", *flags)
            == 0
        )
        assert "4 pictures of 2 people, layout folders" in capsys.readouterr().out
        settings, faces = trained.pop()[:2]
        assert faces.people == ("000001", "000002")
        assert faces.identity.tolist() == [0, 0, 1, 1]
        batches = RecognitionBatches(faces, replace(settings, batch=4, size=(32, 32)))
        assert sorted(batches.make(0)["identity"].tolist()) == [0, 0, 1, 1]
        for method in ("mtlface", "dal", "iefp-age"):
            command = ("train-recognition", data, "--method", method, "--out", tmp_path / "run", *flags)
            assert agetrans(*command) == 2
            error = capsys.readouterr().err
            assert f"--method {method} needs ages" in error
            assert "--method baseline" in error
            assert len(error.splitlines()) == 1
    assert not trained


def start_from(folder: Path, method: str, **changes: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / "settings.json").write_text(replace(preset(method, "cpu"), **changes).to_json())
    return folder


def test_a_run_may_start_from_either_program_of_mtlface(
    tmp_path: Path, trained: list[tuple[Any, ...]]
) -> None:
    data = people(tmp_path / "faces")
    for package in (False, True):
        start = start_from(tmp_path / f"start{package}", "mtlface", package=package)
        flags = ("--method", "mtlface", "--preset", "cpu", "--start", start)
        assert agetrans("train-recognition", data, *flags, "--out", tmp_path / "run") == 0
        settings, _, _, begun = trained.pop()[:4]
        assert (settings.package, begun) == (package, start)


@pytest.mark.parametrize(
    ("method", "changes", "flags", "message"),
    [
        ("mtlface", {"age_weight": 0.0}, ["--train_fas"], "nothing has trained that of"),
        ("mtlface", {"width": 64, "size": (112, 96)}, [], "give --size 112x96 --width 64."),
        ("mtlface", {"groups": 4}, [], "give --groups 4."),
        ("baseline", {}, [], "--start {start} is a recogniser of --method baseline"),
    ],
)
def test_a_start_that_does_not_fit_is_a_sentence(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    trained: list[tuple[Any, ...]],
    method: str,
    changes: dict[str, Any],
    flags: list[str],
    message: str,
) -> None:
    data, start = people(tmp_path / "faces"), start_from(tmp_path / "start", method, **changes)
    command = ("train-recognition", data, "--method", "mtlface", "--preset", "cpu", "--start", start, *flags)
    assert agetrans(*command, "--out", tmp_path / "run") == 2
    assert message.format(start=start) in capsys.readouterr().err
    assert not trained
    if flags:  # with recognition beside it the age head learns
        assert agetrans(*command, "--train_fr", "--out", tmp_path / "run") == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--method", "arcface"], "--method: there is"),
        (["--method", "mtlface", "--train_fas"], "--start RUN"),
        (["--method", "iefp"], "--age_branch"),
        (["--method", "dal", "--preset", "tpu"], "--preset"),
        (["--method", "baseline", "--batch", "1"], "--batch"),
        (["--method", "dal", "--train_fas", "--train_fr"], "--train_fas"),
        (["--method", "baseline", "--size", "big"], "size"),
        (["--method", "mtlface", "--train_fr", "False"], "unrecognized arguments: False"),
    ],
)
def test_what_cannot_be_trained_is_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], message: str
) -> None:
    data = people(tmp_path / "faces")
    assert agetrans("train-recognition", data, "--out", tmp_path / "run", *flags) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
