"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def unfinished_file(path: Path) -> Path:
    """Where a file is written to until it is whole: `.NAME.unfinished` in the same folder."""
    return path.with_name(f".{path.name}.unfinished")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Gives a place beside a file to write to; it takes the file's name when the block ends without an error.

    Args:
        path: The file; its folder is made.

    Yields:
        Where to write, see `unfinished_file`. It is removed if the block fails.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = unfinished_file(path)
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_text(path: Path, text: str, errors: str = "strict") -> None:
    """Writes a text file in UTF-8, with the line ends that the text has.

    Args:
        path: The file; its folder is made.
        text: Its content.
        errors: What becomes of characters that UTF-8 does not have, see `open`.
    """
    with whole_file(path) as unfinished:
        unfinished.write_bytes(text.encode("utf-8", errors))


def save_tensors(path: Path, tensors: dict[str, np.ndarray], metadata: dict[str, str] | None = None) -> None:
    """Writes a `.safetensors`, as readable by others as any file; its folder is made."""
    from safetensors.numpy import save_file

    with whole_file(path) as unfinished:
        unfinished.touch()
        mode = unfinished.stat().st_mode
        save_file(tensors, unfinished, metadata=metadata)
        unfinished.chmod(mode)  # the library makes it readable by its owner alone


def save_npz(path: Path, **arrays: np.ndarray) -> None:
    """Writes an uncompressed `.npz`; its folder is made."""
    import numpy as np

    with whole_file(path) as unfinished, open(unfinished, "wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
