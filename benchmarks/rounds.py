"""Two ways of doing the same, timed in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping


def compare(runs: Mapping[str, Callable[[], None]], batch: int, rounds: int, cpu_time: bool) -> str:
    """Pictures a second of "ours" and others, and the ratio to "plain PyTorch", as a part of a line.

    Rounds alternate and the best counts, so that what else runs on the machine hits all; a first run of each is not
    timed.

    Args:
        runs: What does a batch, by name.
        batch: Pictures a run.
        rounds: Timed runs of each.
        cpu_time: Count processor seconds instead of the clock's.
    """
    clock = time.process_time if cpu_time else time.perf_counter
    best = dict.fromkeys(runs, float("inf"))
    for run in runs.values():
        run()
    for _ in range(rounds):
        for name, run in runs.items():
            start = clock()
            run()
            best[name] = min(best[name], clock() - start)
    speed = {name: batch / seconds for name, seconds in best.items()}
    figures = ", ".join(f"{name} {value:.2f}/s" for name, value in speed.items())
    return f"{figures}, ratio {speed['ours'] / speed['plain PyTorch']:.2f}"
