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


def test_what_the_system_says(tmp_path: Path) -> None:
    meminfo, group = tmp_path / "meminfo", tmp_path / "group"
    assert memory.free_memory(meminfo, group) is None
    meminfo.write_text(
        "MemTotal:       16000000 kB\nMemFree:         1000000 kB\nMemAvailable:    8000000 kB\n"
    )
    assert memory.free_memory(meminfo, group) == 8_192_000_000
    group.mkdir()
    (group / "memory.max").write_text("max\n")
    (group / "memory.current").write_text("1000000000\n")
    assert memory.free_memory(meminfo, group) == 8_192_000_000
    (group / "memory.max").write_text("3000000000\n")
    assert memory.free_memory(meminfo, group) == 2_000_000_000


def test_the_engine_heeds_it(tiny_generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: 4 * tiny_generator.frame_memory)
    assert Engine(tiny_generator, 16).batch_size == 2
    assert Engine(tiny_generator, 1).batch_size == 1


def test_the_official_size_takes_what_was_measured() -> None:
    from agetrans.models.agetransgan import AgeTransGAN

    generator = AgeTransGAN(1024, 10, base_width=32, mapping_layers=1)
    # 16 times as wide at 512: 0.6 to 0.9 GB a frame of 1024 pixels.
    assert 0.6 * GIGABYTE < 16 * generator.frame_memory < 0.9 * GIGABYTE
