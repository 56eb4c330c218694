"""The command lines: one module a verb, no logic of their own, nothing heavy imported before it is needed."""

from __future__ import annotations

from agetrans.cli.main import console

__all__ = ["console"]
