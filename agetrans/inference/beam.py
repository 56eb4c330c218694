"""Ageing photographs as an Apache Beam pipeline, for collections that outgrow one machine (extra `beam`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from agetrans.inference.folder import Ager, Job, do_job


class BeamMissing(ValueError):
    """Apache Beam is not installed."""


def do_jobs_with_beam(
    jobs: Sequence[Job], make_ager: Callable[[], Ager], runner: str, options: Sequence[str] = ()
) -> None:
    """Ages photographs on any Beam runner. Its machines must see photographs, model and output under the same paths.

    What happened is in the jobs' records, see `agetrans.inference.folder.outcome_of`.

    Args:
        jobs: what to do.
        make_ager: makes what ages photographs, once a worker; can be pickled.
        runner: "DirectRunner" (embedded), "FlinkRunner", "SparkRunner", "DataflowRunner" ...
        options: further flags of the runner, such as `--flink_master=host:8081`.

    Raises:
        BeamMissing: Beam is not installed.
    """
    try:
        import apache_beam as beam
        from apache_beam.options.pipeline_options import PipelineOptions
    except ImportError as error:
        raise BeamMissing('--runner needs Apache Beam: pip install "agetrans[beam]".') from error

    class Age(beam.DoFn):
        """Loads the model once a worker."""

        def setup(self) -> None:
            self._ager = make_ager()

        def process(self, job: Job) -> None:
            do_job(self._ager, job)

    with beam.Pipeline(options=PipelineOptions([f"--runner={runner}", *options])) as pipeline:
        _ = (
            pipeline
            | "Photographs" >> beam.Create(list(jobs))
            | "Spread" >> beam.Reshuffle()
            | beam.ParDo(Age())
        )
