"""Folders of photographs: what happened to each, in one process or several, in one run or more."""

from __future__ import annotations

import csv
import os
import signal
from functools import partial
from pathlib import Path

import pytest

from agetrans.inference.folder import Outcome, do_jobs, job_doer, outcome_of, plan_jobs, write_report
from agetrans.pipelines import spread
from agetrans.snapshot import SnapshotError


class Copier:
    """Ages nothing; what it does depends on the photograph's name. Says which process did it."""

    def age(self, photo: Path, folder: Path) -> int:
        if photo.stem.startswith("bad"):
            raise ValueError(f"{photo.name} is no picture.")
        if photo.stem.startswith("deadly"):
            os.kill(os.getpid(), signal.SIGKILL)
        if photo.stem.startswith("model"):
            raise SnapshotError("The weights are damaged.")
        folder.mkdir(parents=True)
        (folder / "made").write_text(str(os.getpid()))
        return 3


def make_jobs(folder: Path, names, wish="wish"):
    (folder / "in").mkdir(exist_ok=True)
    photos = [folder / "in" / name for name in names]
    for photo in photos:
        if not photo.exists():
            photo.write_text(photo.name)
    return plan_jobs(photos, [folder / "out" / photo.stem for photo in photos], folder / "out", wish)


def statuses(outcomes) -> dict[str, str]:
    return {outcome.photograph: outcome.status for outcome in outcomes}


def test_a_bad_photograph_stops_nothing_and_the_report_says_why(tmp_path):
    outcomes = list(do_jobs(make_jobs(tmp_path, ["c.jpg", "bad.jpg", "a.jpg"]), Copier, 1))
    assert statuses(outcomes) == {"c.jpg": "done", "bad.jpg": "failed", "a.jpg": "done"}
    with open(write_report(outcomes, tmp_path / "out"), newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["photograph"], row["status"], row["pictures"], row["reason"]) for row in rows] == [
        ("a.jpg", "done", "3", ""),
        ("bad.jpg", "failed", "0", "bad.jpg is no picture."),
        ("c.jpg", "done", "3", ""),
    ]


def test_a_second_run_does_what_is_left_and_what_has_changed(tmp_path):
    jobs = make_jobs(tmp_path, ["a.jpg", "bad.jpg", "b.jpg"])
    first = list(do_jobs(jobs[:2], Copier, 1))
    assert [outcome_of(job) for job in jobs] == [*first, None]
    assert [outcome_of(job) for job in make_jobs(tmp_path, ["a.jpg"], "another wish")] == [None]
    (tmp_path / "in" / "a.jpg").write_text("another picture")
    (job,) = make_jobs(tmp_path, ["a.jpg"])
    assert outcome_of(job) is None
    (tmp_path / "out" / "a" / "made").unlink()
    (tmp_path / "out" / "a").rmdir()
    assert outcome_of(jobs[0]) is None
    jobs[1].record.write_text('{"photograph": "bad')
    assert outcome_of(jobs[1]) is None


def test_processes_share_the_work_and_one_that_dies_costs_one_photograph(tmp_path):
    names = [f"{i}.jpg" for i in range(6)]
    names[2:2] = ["deadly.jpg", "bad.jpg"]
    jobs = make_jobs(tmp_path, names)
    outcomes = list(do_jobs(jobs, Copier, 2))
    assert len(outcomes) == len(jobs)
    assert statuses(outcomes) == {
        name: "failed" if name in ("deadly.jpg", "bad.jpg") else "done" for name in names
    }
    (deadly,) = (outcome for outcome in outcomes if outcome.photograph == "deadly.jpg")
    assert "ended from outside" in deadly.reason
    assert {outcome_of(job) for job in jobs} == set(outcomes)
    assert str(os.getpid()) not in {path.read_text() for path in (tmp_path / "out").rglob("made")}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_model_that_cannot_be_used_ends_the_run(tmp_path, workers):
    jobs = make_jobs(tmp_path, ["model.jpg", "model2.jpg"])
    with pytest.raises(SnapshotError, match="damaged"):
        list(do_jobs(jobs, partial(Copier), workers))
    assert not (tmp_path / "out").exists()


def test_beam_does_the_same(tmp_path):
    pytest.importorskip("apache_beam", reason="Apache Beam is not installed: its pipeline is not run")
    jobs = make_jobs(tmp_path, ["a.jpg", "bad.jpg"])
    spread(jobs, partial(job_doer, Copier), "DirectRunner")
    outcomes = [outcome_of(job) for job in jobs]
    assert all(isinstance(outcome, Outcome) for outcome in outcomes)
    assert statuses(outcomes) == {"a.jpg": "done", "bad.jpg": "failed"}
