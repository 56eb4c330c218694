"""Shallow networks for all tests here: nothing that is tested depends on how many units a level has."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def shallow(monkeypatch: pytest.MonkeyPatch) -> None:
    from agetrans.recognition import backbones

    for name in ("ir18", "iresnet18"):
        monkeypatch.setitem(backbones.UNITS, name, (1, 1, 1, 1))
    monkeypatch.setattr(backbones, "OECNN_BLOCKS", (1, 1, 1, 1))
