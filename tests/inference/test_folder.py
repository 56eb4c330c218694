"""Folders of photographs: what happened to each, in one process or several, in one run or more."""

from __future__ import annotations

import csv
import errno
import os
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

from agetrans.inference.folder import Outcome, do_jobs, job_doer, outcome_of, plan_jobs, write_report
from agetrans.pictures import PictureError, PictureNotNow
from agetrans.pipelines import spread
from agetrans.snapshot import SnapshotError
from tests.conftest import REPOSITORY


class Copier:
    """Ages nothing; what it does depends on the photograph's name. Says which process did it."""

    def age(self, photo: Path, folder: Path) -> int:
        if photo.stem.startswith("bad"):
            raise PictureError(f"{photo.name} is no picture.")
        if photo.stem.startswith("full"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
        if photo.stem.startswith("locked"):
            raise PictureNotNow(f"{photo.name} may not be read: check its permissions.")
        if photo.stem.startswith("huge"):
            raise MemoryError
        if photo.stem.startswith("deadly"):
            os.kill(os.getpid(), signal.SIGKILL)
        if photo.stem.startswith("model"):
            raise SnapshotError("The weights are damaged.")
        folder.mkdir(parents=True, exist_ok=True)  # a dead process may take the news of what it did with it
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


@pytest.mark.parametrize("workers", [1, 2])
def test_what_was_in_the_way_of_a_good_photograph_is_tried_again(tmp_path, workers):
    names = ["bad.jpg", "full.jpg", "huge.jpg", "locked.jpg", "a.jpg"]
    jobs = make_jobs(tmp_path, names)
    outcomes = {outcome.photograph: outcome for outcome in do_jobs(jobs, Copier, workers)}
    assert {name: outcomes[name].status for name in names} == {
        "bad.jpg": "failed",
        "full.jpg": "postponed",
        "huge.jpg": "postponed",
        "locked.jpg": "postponed",
        "a.jpg": "done",
    }
    assert "No space left" in outcomes["full.jpg"].reason
    assert "memory" in outcomes["huge.jpg"].reason
    assert [outcome_of(job).is_settled for job in jobs] == [True, False, False, False, True]


WAITING = """
import sys
from pathlib import Path
from agetrans.inference.folder import do_jobs
from tests.inference.test_folder import Waiter, make_jobs

if __name__ == "__main__":
    list(do_jobs(make_jobs(Path(sys.argv[1]), ["a.jpg", "b.jpg"]), Waiter, 2))
"""


class Waiter:
    """Says which process it is in, and works for ever."""

    def age(self, photo: Path, folder: Path) -> int:
        print(os.getpid(), flush=True)
        threading.Event().wait()
        return 0


def test_processes_end_with_a_parent_that_is_killed(tmp_path):
    command = [sys.executable, "-c", WAITING, tmp_path]
    parent = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    workers = [int(parent.stdout.readline()) for _ in range(2)]
    parent.kill()
    try:
        parent.communicate(timeout=60)  # the end of what they say: nobody is left who could say more
    except subprocess.TimeoutExpired:
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        raise


def test_processes_share_the_work_and_one_that_dies_costs_one_photograph(tmp_path):
    names = [f"{i}.jpg" for i in range(6)]
    names[2:2] = ["deadly.jpg", "bad.jpg"]
    jobs = make_jobs(tmp_path, names)
    outcomes = list(do_jobs(jobs, Copier, 2))
    assert len(outcomes) == len(jobs)
    assert statuses(outcomes) == {
        name: {"deadly.jpg": "postponed", "bad.jpg": "failed"}.get(name, "done") for name in names
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


def test_beam_does_the_same(tmp_path, beam):
    jobs = make_jobs(tmp_path, ["a.jpg", "bad.jpg"])
    spread(jobs, partial(job_doer, Copier), "DirectRunner")
    outcomes = [outcome_of(job) for job in jobs]
    assert all(isinstance(outcome, Outcome) for outcome in outcomes)
    assert statuses(outcomes) == {"a.jpg": "done", "bad.jpg": "failed"}
