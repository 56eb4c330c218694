"""Batches are lowered where memory is short, and only there."""

from __future__ import annotations

from pathlib import Path

import pytest

from agetrans.inference import memory
from agetrans.inference.engine import Engine

GIGABYTE = 10**9


@pytest.mark.parametrize(
    ("free", "wanted", "batch"),
    [
        (None, 16, 3),
        (100 * GIGABYTE, 16, 3),
        (100 * GIGABYTE, 2, 2),
        (2 * GIGABYTE, 16, 2),
        (0, 16, 1),
    ],
)
def test_batch_that_fits(free: int | None, wanted: int, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: free)
    assert memory.affordable_batch(wanted, GIGABYTE // 2) == batch


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content)


def test_what_the_system_says(tmp_path: Path) -> None:
    proc, groups = tmp_path / "proc", tmp_path / "groups"
    assert memory.free_memory(proc, groups) is None
    write(proc, meminfo="MemTotal: 16000000 kB\nMemFree: 1000000 kB\nMemAvailable:    8000000 kB\n")
    assert memory.free_memory(proc, groups) == 8_192_000_000
    write(groups, memory__max="max\n", memory__current="1000000000\n")
    assert memory.free_memory(proc, groups) == 8_192_000_000
    write(groups, memory__max="3000000000\n")
    assert memory.free_memory(proc, groups) == 2_000_000_000


@pytest.mark.parametrize(
    ("line", "where", "limit", "use", "cached"),
    [
        ("0::/user.slice/app.scope", "user.slice/app.scope", "max", "current", "inactive_file"),
        ("0::/slurm/job/step", "slurm/job", "max", "current", "inactive_file"),
        ("4:cpu,memory:/job", "memory/job", "limit_in_bytes", "usage_in_bytes", "total_inactive_file"),
        ("4:memory:/docker/of the host", "memory", "limit_in_bytes", "usage_in_bytes", "total_inactive_file"),
    ],
)
def test_limits_of_groups(line: str, where: str, limit: str, use: str, cached: str, tmp_path: Path) -> None:
    proc, groups = tmp_path / "proc", tmp_path / "groups"
    write(proc, meminfo="MemAvailable:    8000000 kB\n")
    write(proc / "self", cgroup=f"9:name=systemd:/elsewhere\n{line}\n")
    write(groups / "elsewhere", memory__max="1", memory__current="0")
    account = {f"memory__{limit}": "3000000000\n", f"memory__{use}": "2900000000\n"}
    write(groups / where, **account, memory__stat=f"anon 1000000000\n{cached} 1900000000\n")
    assert memory.free_memory(proc, groups) == 2_000_000_000


def test_the_engine_heeds_it(tiny_generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: 4 * tiny_generator.frame_memory)
    assert Engine(tiny_generator, 16).batch_size == 2
    assert Engine(tiny_generator, 1).batch_size == 1


def test_the_official_size_takes_what_was_measured() -> None:
    from agetrans.models.agetransgan import AgeTransGAN

    generator = AgeTransGAN(1024, 10, base_width=32, mapping_layers=1)
    # 16 times as wide at 512: 0.6 to 0.9 GB a frame of 1024 pixels.
    assert 0.6 * GIGABYTE < 16 * generator.frame_memory < 0.9 * GIGABYTE
