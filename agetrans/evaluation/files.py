"""Files of an evaluation: which pictures a folder has, and text that is there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from agetrans.pictures import SUFFIXES


class EvaluationError(ValueError):
    """An evaluation cannot be made. The message is one sentence."""


def pictures_in(folder: Path) -> list[Path]:
    """The picture files of a folder, sorted by name."""
    return sorted(entry for entry in folder.iterdir() if entry.suffix.lower() in SUFFIXES and entry.is_file())


def write_whole(path: Path, text: str, errors: str = "strict") -> None:
    """Writes a text file in UTF-8 under another name and renames it when all is on disk.

    Args:
        path: the file.
        text: its content.
        errors: what becomes of characters that UTF-8 does not have, see `open`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        unfinished.write_bytes(text.encode("utf-8", errors))
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
