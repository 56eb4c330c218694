"""Where the time of a run goes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Adds up the seconds that each kind of work takes, in any number of threads.

    Kinds of work that run beside each other overlap, so their sum may exceed the time that has passed.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._lock = threading.Lock()

    @contextmanager
    def measure(self, work: str) -> Iterator[None]:
        """Counts the time inside of the `with` block as this work."""
        began = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - began
            with self._lock:
                self.seconds[work] = self.seconds.get(work, 0.0) + spent

    def __str__(self) -> str:
        return ", ".join(f"{work} {spent:.1f} s" for work, spent in self.seconds.items())
