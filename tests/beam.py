"""A stand-in for Apache Beam, which is too large to be fetched for tests: runs the steps of a pipeline in this process.

It knows what `agetrans.pipelines` uses, and does with it what runners do: items travel pickled, workers are copied,
readied once and given their share of the items when the `with` block ends. How functions travel it does not show.
"""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

WORKERS = 2


class DoFn:
    """What works on items."""

    def setup(self) -> None:
        """Is called once, before the first."""


class Step:
    """Something that is done with all items; may have a name: `"Name" >> step`."""

    def __init__(self, do: Callable[[list[Any]], list[Any]]) -> None:
        self.do = do

    def __rrshift__(self, name: str) -> Step:
        return self


class Pipeline:
    """Takes steps with `|` and does them at the end of its `with` block."""

    def __init__(self, options: list[str]) -> None:
        assert options[0] == "--runner=DirectRunner"
        self._steps: list[Step] = []

    def __or__(self, step: Step) -> Pipeline:
        self._steps.append(step)
        return self

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        items: list[Any] = []
        for step in self._steps if kind is None else ():
            items = step.do(items)


def create(items: list[Any]) -> Step:
    """A step that gives items."""
    return Step(lambda _: pickle.loads(pickle.dumps(items)))


def reshuffle() -> Step:
    """A step after which items come in another order."""
    return Step(lambda items: items[::-1])


def par_do(work: DoFn) -> Step:
    """A step that shares items among workers."""

    def do(items: list[Any]) -> list[Any]:
        for number in range(WORKERS):
            worker = copy.copy(work)
            worker.setup()
            for item in items[number::WORKERS]:
                worker.process(item)
        return []

    return Step(do)


def install(monkeypatch: pytest.MonkeyPatch, pipeline: Callable[[list[str]], Any] = Pipeline) -> None:
    """Lets `import apache_beam` find the stand-in until the test is over."""
    beam, options = ModuleType("apache_beam"), ModuleType("apache_beam.options.pipeline_options")
    beam.DoFn, beam.Pipeline = DoFn, pipeline
    beam.Create, beam.Reshuffle, beam.ParDo = create, reshuffle, par_do
    options.PipelineOptions = list
    monkeypatch.setitem(sys.modules, "apache_beam", beam)
    monkeypatch.setitem(sys.modules, "apache_beam.options", ModuleType("apache_beam.options"))
    monkeypatch.setitem(sys.modules, "apache_beam.options.pipeline_options", options)
