"""What all tests share: which of them run again with the other backend."""

from __future__ import annotations

from pathlib import Path

import pytest

BACKEND_FOLDERS = ("stylegan2_ops", "models", "training")
"""Folders whose tests must hold on every backend of Keras."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--backend-tests", action="store_true", help="only the tests that must hold on every backend of Keras"
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if not config.getoption("--backend-tests"):
        return None
    tests = Path(__file__).parent
    if collection_path == tests or tests not in collection_path.parents:
        return None
    return collection_path.relative_to(tests).parts[0] not in BACKEND_FOLDERS or None
