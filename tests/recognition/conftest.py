"""Shallow networks for all tests here: nothing that is tested depends on how many units a level has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def shallow(monkeypatch: pytest.MonkeyPatch) -> None:
    from agetrans.recognition import backbones

    for name in ("ir18", "iresnet18"):
        monkeypatch.setitem(backbones.UNITS, name, (1, 1, 1, 1))
    monkeypatch.setattr(backbones, "OECNN_BLOCKS", (1, 1, 1, 1))


@pytest.fixture(autouse=True, scope="module")
def leave_keras_as_it_was() -> Iterator[None]:
    """A run sets the policy of the whole process, and other tests count on the default."""
    import keras

    policy = keras.config.dtype_policy()
    yield
    keras.utils.clear_session()
    keras.config.set_dtype_policy(policy)
