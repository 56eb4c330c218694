"""`agetrans evaluate` from end to end on made people, whose judge reads brightness as age and pattern as identity."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from agetrans.cli import main
from agetrans.cli.console import in_sentences
from agetrans.evaluation import protocol
from agetrans.groups import AgeGroups

GROUPS = AgeGroups.of(10)
PEOPLE = 12
PER_YEAR = 2.0


class PatternJudge:
    """Age is brightness, identity the pattern; every face lies in the middle."""

    name, width = "patterns", 267
    seen = 0

    def read(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        type(self).seen += len(pictures)
        return np.stack([self._row(picture) for picture in pictures])

    def _row(self, picture: np.ndarray) -> np.ndarray:
        pattern = cv2.resize(picture, (16, 8), interpolation=cv2.INTER_AREA).mean(axis=2).ravel()
        pattern = pattern - pattern.mean()
        points = np.full((68, 2), 128.0)
        points[[36, 39, 42, 45]] = [[80, 110], [110, 110], [146, 110], [176, 110]]
        points[[2, 14, 31, 35]] = [[70, 150], [186, 150], [115, 150], [141, 150]]
        female = picture[0, 0, 0] > 127
        return np.concatenate(
            [
                [1, picture.mean() / PER_YEAR, female],
                pattern / max(np.linalg.norm(pattern), 1e-9),
                points.ravel(),
            ]
        ).astype(np.float32)


class NoEstimator:
    name, width, framing, size, independent = "half the brightness", 1, "ffhq", 256, False

    def read(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        return np.array([[picture.mean() / PER_YEAR / 2] for picture in pictures], np.float32)


def person(identity: int, years: float) -> np.ndarray:
    """A pattern of its own around the brightness of an age."""
    coarse = np.random.default_rng(identity).normal(size=(8, 16))
    coarse -= coarse.mean()
    smooth = np.kron(coarse, np.ones((32, 16)))[..., None]
    return np.clip(np.rint(smooth * 4 + PER_YEAR * years), 0, 255).astype(np.uint8).repeat(3, axis=2)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 made people, twelve of each group; those of 20 to 29 have the identities 60 to 71."""
    ages = np.repeat(GROUPS.centres, PEOPLE)
    pictures = np.stack([person(i, years) for i, years in enumerate(ages)])
    path = tmp_path_factory.mktemp("photographs") / "people.npz"
    np.savez(path, pictures=pictures, age=ages.astype(np.float32))
    return path


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A perfect method: everyone at every age, the background with them."""
    path = tmp_path_factory.mktemp("outputs") / "perfect"
    for name, years in zip(GROUPS.names, GROUPS.centres, strict=True):
        (path / name).mkdir(parents=True)
        for identity in range(60, 60 + PEOPLE):
            cv2.imwrite(str(path / name / f"{identity:04d}.png"), person(identity, years))
    return path


@pytest.fixture(scope="module", autouse=True)
def made_judges() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocol, "FaceJudge", PatternJudge)
        patch.setattr("agetrans.evaluation.estimators.find_estimator", lambda path=None: NoEstimator())
        yield


@pytest.fixture(scope="module")
def evaluated(photographs: Path, outputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the report of the perfect method and the cache of its readings."""
    folder = tmp_path_factory.mktemp("evaluated")
    PatternJudge.seen = 0
    arguments = (photographs, "--outputs", outputs, "--out", folder / "report", "--cache", folder / "cache")
    assert evaluate(*arguments) == 0
    # Sources at their own age are among the real people: their outputs are pictures that were read.
    assert PatternJudge.seen == 10 * PEOPLE + 9 * PEOPLE
    return folder


def evaluate(*argv: object) -> int:
    arguments = main.parse(["agetrans", "evaluate", *map(str, argv)])
    return in_sentences(lambda given: main.VERBS[given.verb].run(given), arguments)


def read(folder: Path) -> dict[tuple[str, str, str | None], dict]:
    """First judge's figures by method, metric and group."""
    found: dict[tuple[str, str, str | None], dict] = {}
    for line in (folder / "figures.jsonl").read_text().splitlines():
        row = json.loads(line)
        found.setdefault((row["method"], row["metric"], row["group"]), row)
    return found


def test_a_perfect_method_passes_and_the_controls_fail(evaluated: Path) -> None:
    figures = read(evaluated / "report")
    methods = list(dict.fromkeys(method for method, _, _ in figures))
    perfect, copy, stranger = methods
    for name, years in zip(GROUPS.names, GROUPS.centres, strict=True):
        assert figures[perfect, "mean_age", name]["value"] == pytest.approx(years, abs=0.5)
        assert figures[perfect, "age_err_against_real", name]["value"] < 0.5
        assert figures[stranger, "age_err_against_real", name]["value"] < 0.5
        distance = abs(24.5 - years)
        assert figures[copy, "age_err_against_real", name]["value"] == pytest.approx(distance, abs=0.5)
        for metric in ("same_person_far1_per_person", "verified_far1_per_gap"):
            assert figures[perfect, metric, name]["value"] == 1.0
            assert figures[copy, metric, name]["value"] == 1.0
            assert figures[stranger, metric, name]["value"] < 0.3
        assert figures[copy, "outside_head_255", name]["value"] == 0.0
        assert figures[perfect, "kid_face128", name]["count"] == PEOPLE
    rising = "ages_rise_one_2_year_fall_forgiven"
    assert figures[perfect, rising, None]["value"] == 1.0
    assert figures[copy, rising, None]["value"] == 0.0
    assert figures[perfect, "age_rank_correlation_per_face", None]["value"] == pytest.approx(1.0)


def test_critics_are_marked_and_counted_apart(evaluated: Path) -> None:
    rows = [json.loads(line) for line in (evaluated / "report" / "figures.jsonl").read_text().splitlines()]
    judges = {row["judge"]: row["independent"] for row in rows}
    assert judges.pop("half the brightness") is False
    assert all(judges.values())
    page = (evaluated / "report" / "report.html").read_text()
    assert page.count("trained this model: does not count") == 3 * 3
    assert page.count("data:image/jpeg;base64,") == 3


def test_another_run_reads_nothing_and_writes_the_same(
    photographs: Path, outputs: Path, evaluated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = PatternJudge.seen
    evaluate(photographs, "--outputs", outputs, "--out", tmp_path, "--cache", evaluated / "cache")
    assert PatternJudge.seen == seen
    for name in ("figures.jsonl", "report.html"):
        assert (tmp_path / name).read_bytes() == (evaluated / "report" / name).read_bytes()
    assert "70+" in capsys.readouterr().out


def test_what_is_missing_is_left_out_and_said(
    photographs: Path, outputs: Path, evaluated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(outputs, tmp_path / "perfect")
    (tmp_path / "perfect" / "0-2" / "0060.png").unlink()
    (tmp_path / "perfect" / "3-6" / "0061.png").write_text("no picture")
    places = ("--out", tmp_path / "report", "--cache", evaluated / "cache")
    assert evaluate(photographs, "--outputs", tmp_path / "perfect", *places) == 1
    figures = read(tmp_path / "report")
    counts = {name: figures["perfect", "mean_age", name]["count"] for name in GROUPS.names}
    assert counts == {**dict.fromkeys(GROUPS.names, PEOPLE), "0-2": PEOPLE - 1, "3-6": PEOPLE - 1}
    assert "0061.png" in capsys.readouterr().out


def test_people_with_each_value_of_a_label_are_judged_by_themselves(
    photographs: Path, outputs: Path, evaluated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    race = np.array(["a", "b"] * (5 * PEOPLE))
    race[60] = ""  # not labelled
    with np.load(photographs) as file:
        np.savez(tmp_path / "people.npz", **file, race=race)
    shutil.copytree(outputs, tmp_path / "partial")
    for identity in range(61, 60 + PEOPLE, 2):  # those of b become somebody else and do not grow old
        cv2.imwrite(str(tmp_path / "partial" / "70+" / f"{identity:04d}.png"), person(identity + 500, 24.5))
    places = ("--out", tmp_path / "report", "--cache", evaluated / "cache")
    arguments = (tmp_path / "people.npz", "--outputs", tmp_path / "partial", "--by", "race", *places)
    assert evaluate(*arguments) == 0
    rows = [json.loads(line) for line in (tmp_path / "report" / "figures.jsonl").read_text().splitlines()]
    found = {
        (row["metric"], row["people"]): row
        for row in rows
        if row["method"] == "partial" and row["group"] == "70+" and row["people"]
    }
    counts = {people: row["count"] for (_, people), row in found.items()}
    assert counts == {"race a": PEOPLE // 2 - 1, "race b": PEOPLE // 2}
    assert found["mean_age", "race a"]["value"] == pytest.approx(GROUPS.centres[9], abs=0.5)
    assert found["mean_age", "race b"]["value"] == pytest.approx(24.5, abs=0.5)
    assert found["same_person_far1_per_person", "race a"]["value"] == 1.0
    assert found["same_person_far1_per_person", "race b"]["value"] < 0.5
    overall = read(tmp_path / "report")["partial", "mean_age", "70+"]
    assert overall["count"] == PEOPLE
    assert overall["people"] is None
    assert f"race b ({PEOPLE // 2}), judged:" in capsys.readouterr().out
    assert "race b: judged" in (tmp_path / "report" / "report.html").read_text()


def test_a_snapshot_is_run_through_all_ages(
    photographs: Path,
    tiny_snapshots: Path,
    evaluated: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    snapshot = tiny_snapshots / "agetrans_10group"
    places = ("--out", tmp_path / "report", "--cache", evaluated / "cache")
    # Two sources and twelve others of their group are too few pairs for 1 %.
    assert evaluate(photographs, "--snapshot", snapshot, "--people", 2, *places) == 2
    assert "needs 100 impostor pairs at least. Received: 24." in capsys.readouterr().err
    assert evaluate(photographs, "--snapshot", snapshot, "--people", 10, "--runs", 1, *places) == 0
    figures = read(tmp_path / "report")
    assert figures["agetrans_10group", "flicker_second_difference_255", None]["count"] == 1
    assert figures["agetrans_10group", "largest_step_over_mean_step", None]["value"] >= 1
    assert "s a frame" in (tmp_path / "report" / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere.npz"], "There is no nowhere.npz."),
        (["{people}", "--people", "0"], "--people must be at least 1, not 0."),
        (["{people}", "--runs", "-1"], "--runs must be at least 0, not -1."),
        (["{folder}"], "--real is needed"),
        (["{people}", "--outputs", "{folder}"], "no folder that is named after an age group"),
        (["{text}"], "is not a file of framed photographs"),
        (["{people}", "--by", "race"], "has no label race: python -m"),
        (["{people}", "--by", "age"], "has no label age: python -m"),
        (["{folder}", "--real", "{people}", "--by", "race"], "which have no label race"),
        (["{people}", "--source_ages", "95-99", "--outputs", "{folder}"], "no photograph of ages 95 to 99"),
        (["{people}", "--real", "{young}", "--outputs", "{perfect}"], "none of 70+"),
    ],
)
def test_refusals(
    arguments: list[str],
    sentence: str,
    photographs: Path,
    outputs: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.npz").write_text("text")
    with np.load(photographs) as file:
        np.savez(tmp_path / "young.npz", pictures=file["pictures"][:-12], age=file["age"][:-12])
    names = {
        "people": photographs,
        "folder": tmp_path / "empty",
        "text": tmp_path / "text.npz",
        "young": tmp_path / "young.npz",
        "perfect": outputs,
    }
    argv = [text.format(**names) for text in arguments]
    assert evaluate(*argv, "--out", tmp_path / "report", "--cache", tmp_path / "cache") == 2
    assert sentence in capsys.readouterr().err
