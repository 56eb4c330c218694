"""Preparing photographs as an Apache Beam pipeline, for collections that outgrow one machine (extra `beam`)."""

from __future__ import annotations

from collections.abc import Sequence

from agetrans.data.labelled import DataError
from agetrans.data.prepare import Shard, make_shard


def make_shards_with_beam(shards: Sequence[Shard], runner: str, options: Sequence[str] = ()) -> None:
    """Writes shards on any Beam runner. Its machines must see the photographs and the output under the same paths.

    Args:
        shards: What is to be made.
        runner: A Beam runner: "DirectRunner" (embedded), "FlinkRunner", "SparkRunner", "DataflowRunner" ...
        options: Further flags of the runner, such as `--flink_master=host:8081`.

    Raises:
        DataError: Beam is not installed.
    """
    try:
        import apache_beam as beam
        from apache_beam.options.pipeline_options import PipelineOptions
    except ImportError as error:
        raise DataError('--runner needs Apache Beam: pip install "agetrans[beam]".') from error
    with beam.Pipeline(options=PipelineOptions([f"--runner={runner}", *options])) as pipeline:
        _ = (
            pipeline
            | "Shards" >> beam.Create(list(shards))
            | "Spread" >> beam.Reshuffle()
            | "Find and frame faces" >> beam.Map(make_shard)
        )
