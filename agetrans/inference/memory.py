"""How many frames fit into memory at once."""

from __future__ import annotations

from pathlib import Path

MOST_FOR_FRAMES = 1_500_000_000
"""Bytes that decoding may take however much there is: larger batches are hardly faster."""

_PROC = Path("/proc")
_GROUPS = Path("/sys/fs/cgroup")
_ACCOUNTS = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))
"""Files of a control group that hold its limit and its use: of version 2 and of version 1."""
_RECLAIMABLE = ("inactive_file", "total_inactive_file")


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


def free_memory(proc: Path = _PROC, groups: Path = _GROUPS) -> int | None:
    """Bytes that this process may still take, or None where the system does not say (only Linux does).

    Args:
        proc: The kernel's account of processes and of the machine's memory.
        groups: The control groups: limits of containers, services and batch jobs are in them.
    """
    limits = [
        1024 * int(line.split()[1])
        for line in _read(proc / "meminfo").splitlines()
        if line.startswith("MemAvailable:")
    ]
    for folder in _own_groups(proc, groups):
        for most, used in _ACCOUNTS:
            limit, use = _read(folder / most).strip(), _read(folder / used).strip()
            if limit.isdecimal() and use.isdecimal():
                limits.append(max(0, int(limit) - int(use) + _cached(folder)))
    return min(limits, default=None)


def _own_groups(proc: Path, groups: Path) -> set[Path]:
    """The control groups that this process is in, and theirs: each may have a limit."""
    found = {groups}
    for line in _read(proc / "self" / "cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        top = groups / "memory" if controllers else groups
        # In a container the path is the host's, and the container's own group is mounted on top.
        parts = Path(path.lstrip("/")).parts
        found |= {top.joinpath(*parts[:depth]) for depth in range(len(parts) + 1)}
    return found


def _cached(folder: Path) -> int:
    """Bytes of files that were read: they count as used, and the system gives them up when asked for memory."""
    pairs = [line.split() for line in _read(folder / "memory.stat").splitlines()]
    return max((int(pair[1]) for pair in pairs if pair[0] in _RECLAIMABLE), default=0)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
