"""Cuts files into parts that pass a size limit, and joins them again.

python scripts/parts.py cut FILE DIR      # DIR/FILE.part00 ... and DIR/FILE.sha256
python scripts/parts.py join DIR FILE     # checks the sum, then writes FILE
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

PART_SIZE = 16 * 2**20
"""Bytes of the largest part: what the machine brings back at once."""


def cut(file: Path, folder: Path, part_size: int = PART_SIZE) -> list[Path]:
    """Writes the parts of a file and its SHA-256; returns the paths of the parts."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"{file.name}.part*"):
        old.unlink()
    content, parts = file.read_bytes(), []
    for number, place in enumerate(range(0, max(1, len(content)), part_size)):
        parts.append(folder / f"{file.name}.part{number:02}")
        parts[-1].write_bytes(content[place : place + part_size])
    (folder / f"{file.name}.sha256").write_text(hashlib.sha256(content).hexdigest() + "\n")
    return parts


def join(folder: Path, file: Path) -> None:
    """Puts a file together again.

    Raises:
        ValueError: Parts are missing or damaged.
    """
    parts = sorted(folder.glob(f"{file.name}.part*"))
    content = b"".join(part.read_bytes() for part in parts)
    expected = folder / f"{file.name}.sha256"
    if not expected.exists() or hashlib.sha256(content).hexdigest() != expected.read_text().strip():
        raise ValueError(f"{folder} does not hold all parts of {file.name}: bring them back again.")
    temporary = file.with_name(file.name + ".partial")
    temporary.write_bytes(content)
    os.replace(temporary, file)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["cut", file, folder]:
            print(f"{len(cut(Path(file), Path(folder)))} parts are in {folder}")
        case ["join", folder, file]:
            try:
                join(Path(folder), Path(file))
            except ValueError as error:
                sys.exit(f"parts.py: {error}")
        case _:
            sys.exit(__doc__)
