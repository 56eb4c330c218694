"""Work spread over any runner of Apache Beam, for collections that outgrow one machine (extra `beam`)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

Item = TypeVar("Item")


class PipelineError(ValueError):
    """A pipeline could not be run; the message is one sentence."""


def spread(
    items: Sequence[Item],
    make_worker: Callable[[], Callable[[Item], Any]],
    runner: str,
    options: Sequence[str] = (),
) -> None:
    """Does something with each item, on machines that see the same files under the same paths.

    Args:
        items: can be pickled.
        make_worker: gives what is called with each item, once in every process; can be pickled. What the calls
            return is dropped.
        runner: "DirectRunner" (this machine), "FlinkRunner", "SparkRunner", "DataflowRunner" ...
        options: further flags of the runner, such as `--flink_master=host:8081`.

    Raises:
        PipelineError: Beam is not installed, or the runner did not come to an end.
    """
    beam, pipeline_options = _import_beam()

    class Work(beam.DoFn):  # type: ignore[name-defined]
        """Readies itself once, then works item by item."""

        def setup(self) -> None:
            self._work = make_worker()

        def process(self, item):  # type: ignore[no-untyped-def]  # Beam would read the hints
            self._work(item)

    try:
        with beam.Pipeline(options=pipeline_options([f"--runner={runner}", *options])) as pipeline:
            _ = (
                pipeline
                | "Items" >> beam.Create(list(items))
                | "Spread" >> beam.Reshuffle()
                | "Work" >> beam.ParDo(Work())
            )
    except SystemExit:
        raise PipelineError(
            f"Apache Beam does not take the flags {' '.join(options)}; above it says why."
        ) from None
    except Exception as error:
        raise PipelineError(f"The pipeline ended on {runner}: {_reason(error)}") from error


def _import_beam() -> tuple[Any, Any]:
    # While it is imported, Beam tells what it lacks for Google's cloud; later, each step that it takes.
    logging.disable(logging.WARNING)
    try:
        import apache_beam
        from apache_beam.options.pipeline_options import PipelineOptions
    except ImportError:
        raise PipelineError('--runner needs Apache Beam: pip install "agetrans[beam]".') from None
    finally:
        logging.disable(logging.NOTSET)
    logging.getLogger("apache_beam").setLevel(logging.WARNING)
    return apache_beam, PipelineOptions


def _reason(error: Exception) -> str:
    """What a worker, or else the runner, raised: workers' errors arrive as the text of a traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[-1] if lines[0].startswith("Traceback") else lines[0]
