"""Batches made ahead of their use, each a function of its number alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
AHEAD = 3
"""Batches that are made while one is used."""


def prefetch(make: Callable[[int], T], first: int, threads: int = 1) -> Iterator[T]:
    """Yields `make(first)`, `make(first + 1)` ... without end, made in threads beside the caller.

    A run that continues at batch n gets what it would have got without the break.

    Args:
        make: Number to batch; must be safe to call from several threads if there are several.
        first: Number of the first batch.
        threads: Number of threads.
    """
    with ThreadPoolExecutor(threads) as pool:
        ahead = [pool.submit(make, first + n) for n in range(AHEAD * threads)]
        number = first + len(ahead)
        while True:
            yield ahead.pop(0).result()
            ahead.append(pool.submit(make, number))
            number += 1
