"""Thousands of photographs: in several processes, resumable, and no bad picture stops the rest.

What happened to each photograph is a small file in the hidden folder `RECORDS`, written when its pictures are whole. A
run that finds it leaves the photograph alone, unless something else than the photograph was in the way: then it tries
again. `report.csv` is made of these files.
"""

from __future__ import annotations

import csv
import hashlib
import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from agetrans.files import whole_file, write_text
from agetrans.pictures import PictureNotNow
from agetrans.snapshot import SnapshotError

RECORDS, REPORT = ".agetrans-photographs", "report.csv"
COLUMNS = ("photograph", "status", "pictures", "seconds", "reason")
DONE, FAILED, POSTPONED = "done", "failed", "postponed"
NO_MEMORY = "there was not enough memory for it"
KILLED = "the process that worked on it was ended from outside, perhaps for want of memory"


class Ager(Protocol):
    """Ages single photographs; raises an exception with one sentence where it cannot."""

    def age(self, photo: Path, folder: Path) -> int:
        """Writes a photograph's pictures to a folder; returns their number."""


@dataclass(frozen=True)
class Job:
    """One photograph.

    Attributes:
        photo: its file.
        folder: where its pictures go.
        record: the file that says what happened.
        stamp: of the wish and of the photograph: another wish or a changed file is another job.
    """

    photo: Path
    folder: Path
    record: Path
    stamp: str


@dataclass(frozen=True)
class Outcome:
    """What happened to a photograph.

    Attributes:
        photograph: its file's name.
        status: "done"; "failed", where the photograph cannot be used; or "postponed", where something else was in the
            way, such as a full disk, so that the next run tries again.
        pictures: how many were written.
        seconds: that it took.
        reason: why it is not done.
        stamp: of the job.
    """

    photograph: str
    status: str
    pictures: int
    seconds: float
    reason: str
    stamp: str

    @property
    def is_done(self) -> bool:
        """Whether its pictures are there."""
        return self.status == DONE

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to do: it is done, or cannot be used."""
        return self.status != POSTPONED


def plan_jobs(photos: Sequence[Path], folders: Sequence[Path], out: Path, wish: str) -> list[Job]:
    """The jobs of a folder.

    Args:
        photos: the photographs.
        folders: where the pictures of each go.
        out: where the records and the report go.
        wish: anything that tells this wish from others.
    """
    jobs = []
    for photo, folder in zip(photos, folders, strict=True):
        state = photo.stat()
        stamp = hashlib.sha256(f"{wish} {state.st_size} {state.st_mtime_ns}".encode()).hexdigest()[:16]
        jobs.append(Job(photo, folder, out / RECORDS / f"{photo.name}.json", stamp))
    return jobs


def outcome_of(job: Job) -> Outcome | None:
    """What an earlier run, or another machine, has recorded of the very same job."""
    try:
        outcome = Outcome(**json.loads(job.record.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    is_there = not outcome.is_done or job.folder.is_dir()
    return outcome if outcome.stamp == job.stamp and is_there else None


def do_job(ager: Ager, job: Job) -> Outcome:
    """Ages a photograph and records what happened.

    Raises:
        SnapshotError: the model cannot be used: no photograph can be done.
        OSError: not even the record can be written.
    """
    began = time.perf_counter()
    try:
        pictures, status, reason = ager.age(job.photo, job.folder), DONE, ""
    except SnapshotError:
        raise
    except MemoryError:
        pictures, status, reason = 0, POSTPONED, NO_MEMORY
    except (OSError, PictureNotNow) as error:
        pictures, status, reason = 0, POSTPONED, str(error)
    except Exception as error:
        # A picture that libraries choke on is no reason to leave the others undone.
        pictures, status, reason = 0, FAILED, str(error) or type(error).__name__
    return record(job, status, pictures, time.perf_counter() - began, reason)


def job_doer(make_ager: Callable[[], Ager]) -> Callable[[Job], Outcome]:
    """What does jobs in a process of its own, with one ager; can be called again and again."""
    return partial(do_job, make_ager())


def record(job: Job, status: str, pictures: int, seconds: float, reason: str) -> Outcome:
    """Writes the record of a job."""
    outcome = Outcome(job.photo.name, status, pictures, round(seconds, 2), reason, job.stamp)
    write_text(job.record, json.dumps(asdict(outcome)))
    return outcome


def write_report(outcomes: Sequence[Outcome], out: Path) -> Path:
    """Writes `report.csv`, one line a photograph, sorted by name."""
    with whole_file(out / REPORT) as unfinished, open(unfinished, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(asdict(outcome) for outcome in sorted(outcomes, key=lambda done: done.photograph))
    return out / REPORT


def do_jobs(jobs: Sequence[Job], make_ager: Callable[[], Ager], workers: int) -> Iterator[Outcome]:
    """Does jobs, in this process or in several, and yields what happened as it happens.

    Args:
        jobs: what to do.
        make_ager: makes what ages photographs, once in each process; can be pickled.
        workers: processes; 1 for this one alone.

    Raises:
        SnapshotError: the model cannot be used.
    """
    if workers == 1:
        ager = make_ager()
        yield from (do_job(ager, job) for job in jobs)
        return
    # A process that dies takes its pool with it: what was under way is tried again, one by one.
    left, suspects = list(jobs), []
    while left:
        done: set[Job] = set()
        try:
            for job, outcome in _in_pool(left, make_ager, workers):
                done.add(job)
                yield outcome
            left = []
        except BrokenProcessPool:
            left = [job for job in left if job not in done]
            suspects, left = left[: 2 * workers], left[2 * workers :]
        for job in suspects:
            yield _alone(job, make_ager)
        suspects = []


def _alone(job: Job, make_ager: Callable[[], Ager]) -> Outcome:
    try:
        ((_, outcome),) = _in_pool([job], make_ager, 1)
    except BrokenProcessPool:
        return record(job, POSTPONED, 0, 0.0, KILLED)
    return outcome


def _in_pool(
    jobs: Sequence[Job], make_ager: Callable[[], Ager], workers: int
) -> Iterator[tuple[Job, Outcome]]:
    threads = max(1, (os.cpu_count() or 1) // workers)
    waiting = iter(jobs)
    running: dict[Future[Outcome], Job] = {}
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=_start, initargs=(make_ager, threads)
    )
    try:
        while True:
            # Few wait in the pool, so that few are suspected when a process dies.
            while len(running) < 2 * workers and (job := next(waiting, None)) is not None:
                running[pool.submit(_work, job)] = job
            if not running:
                return
            ended = wait(running, return_when=FIRST_COMPLETED).done
            # What is done is told before a dead process' error ends the pool, so that it is not done again.
            for future in sorted(ended, key=lambda future: future.exception() is not None):
                yield running.pop(future), future.result()
    finally:
        pool.shutdown(cancel_futures=True)


_ager: Ager | None = None


def _start(make_ager: Callable[[], Ager], threads: int) -> None:
    """Readies a process: Control-C is its parent's business, it ends with its parent, and all share the cores."""
    global _ager
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ[name] = str(threads)
    import cv2

    cv2.setNumThreads(threads)
    _ager = make_ager()


def _end_with_parent() -> None:
    """Ends this process as soon as its parent is gone, which may have been killed without a word."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _work(job: Job) -> Outcome:
    assert _ager is not None
    return do_job(_ager, job)
