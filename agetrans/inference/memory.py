"""How many frames fit into memory at once."""

from __future__ import annotations

from pathlib import Path

MOST_FOR_FRAMES = 1_500_000_000
"""Bytes that decoding may take however much there is: larger batches are hardly faster."""

_MEMINFO = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup")


def affordable_batch(wanted: int, frame_memory: int) -> int:
    """The largest batch, up to the wanted one, that takes no more than half of the memory that is left.

    Args:
        wanted: Frames.
        frame_memory: Bytes that each takes, roughly.

    Returns:
        At least 1.
    """
    free = free_memory()
    budget = MOST_FOR_FRAMES if free is None else min(MOST_FOR_FRAMES, free // 2)
    return max(1, min(wanted, budget // frame_memory))


def free_memory(meminfo: Path = _MEMINFO, group: Path = _GROUP) -> int | None:
    """Bytes that this process may still take, or None where the system does not say (only Linux does).

    Args:
        meminfo: The kernel's account of the machine's memory.
        group: The control group's, which a container's limit is in.
    """
    limits = []
    for line in _read(meminfo).splitlines():
        if line.startswith("MemAvailable:"):
            limits.append(1024 * int(line.split()[1]))
    most, used = _read(group / "memory.max").strip(), _read(group / "memory.current").strip()
    if most.isdecimal() and used.isdecimal():
        limits.append(max(0, int(most) - int(used)))
    return min(limits, default=None)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""
