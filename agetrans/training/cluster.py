"""Which of several workers a process is; imports no Keras, because that must wait until this is known."""

from __future__ import annotations

import json

from agetrans.data.labelled import DataError


def worker_of(tf_config: str) -> tuple[int, int]:
    """This process' number among the workers, and their number, from the text of TF_CONFIG.

    Raises:
        DataError: The text is not such a configuration.
    """
    if not tf_config:
        return 0, 1
    try:
        config = json.loads(tf_config)
        workers = config["cluster"]["worker"]
        kind, index = config["task"]["type"], int(config["task"]["index"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            "TF_CONFIG must name all workers and this one, such as "
            '{"cluster": {"worker": ["a:2222", "b:2222"]}, "task": {"type": "worker", "index": 0}}.'
        ) from error
    if kind != "worker" or not 0 <= index < len(workers):
        raise DataError(f"TF_CONFIG: the task must be one of the {len(workers)} workers, not {kind} {index}.")
    return index, len(workers)
