"""Beam: every item is worked on, and what errors become. What is done: tests/data, tests/inference."""

from __future__ import annotations

import importlib.util
import uuid

import pytest

from agetrans.pipelines import PipelineError, spread
from agetrans.snapshot import SnapshotError
from tests.beam import install

has_beam = importlib.util.find_spec("apache_beam") is not None
needs_beam = pytest.mark.skipif(
    not has_beam, reason="Apache Beam is not installed: its pipelines are not run"
)


@pytest.mark.skipif(has_beam, reason="Apache Beam is installed")
def test_without_beam_one_sentence_names_the_extra():
    with pytest.raises(
        PipelineError, match=r'^--runner needs Apache Beam: pip install "agetrans\[beam\]"\.$'
    ):
        spread([1], lambda: print, "DirectRunner")


WORKER = """Traceback (most recent call last):
  File "worker.py", line 1, in process
SnapshotError: The weights are damaged. [while running 'Work']
"""


@pytest.mark.parametrize(
    ("raised", "says"),
    [
        (
            ValueError("Unexpected pipeline runner: X. Valid values are A, B."),
            "The pipeline ended on X: Unexpected pipeline runner: X. Valid values are A, B.",
        ),
        (
            RuntimeError(WORKER),
            "The pipeline ended on X: SnapshotError: The weights are damaged. [while running 'Work']",
        ),
        (KeyError(), "The pipeline ended on X: KeyError"),
        (SystemExit(2), "Apache Beam does not take the flags --workers=x; above it says why."),
    ],
)
def test_what_a_runner_raises_becomes_one_sentence(raised, says, monkeypatch):
    def pipeline(options):
        assert options == ["--runner=X", "--workers=x"]
        raise raised

    install(monkeypatch, pipeline)
    with pytest.raises(PipelineError) as caught:
        spread([1], lambda: print, "X", ["--workers=x"])
    assert str(caught.value) == says


def test_every_item_is_worked_on_once_by_workers_that_are_readied_once(tmp_path, beam):
    (tmp_path / "ready").mkdir()

    def make_worker():
        (tmp_path / "ready" / uuid.uuid4().hex).touch()
        return lambda item: (tmp_path / f"{item}.item").touch(exist_ok=False)

    spread(range(10), make_worker, "DirectRunner")
    assert {path.stem for path in tmp_path.glob("*.item")} == {str(item) for item in range(10)}
    assert len(list((tmp_path / "ready").iterdir())) < 10


def test_a_worker_that_cannot_go_on_ends_the_pipeline_in_a_sentence(beam):
    def make_worker():
        raise SnapshotError("The weights are damaged.")

    with pytest.raises(PipelineError, match=r"on DirectRunner: .*The weights are damaged\."):
        spread([1], make_worker, "DirectRunner")


@needs_beam
def test_a_runner_that_beam_does_not_know():
    with pytest.raises(PipelineError, match=r"on NoRunner: .*NoRunner"):
        spread([1], lambda: print, "NoRunner")
