"""Cuts files into parts that pass a size limit, and joins them again.

python scripts/parts.py cut FILE DIR      # DIR/FILE.1a2b3c4d.part00000 ... and DIR/FILE.sha256
python scripts/parts.py join DIR FILE     # checks the sum, then writes FILE

The parts carry the first digits of the file's sum: a new set is written beside the old one, FILE.sha256 then names the
new one, and only then the old one goes.
"""

from __future__ import annotations

import glob
import hashlib
import os
import sys
from pathlib import Path

PART_SIZE = 16 * 2**20
"""Bytes of the largest part: what the machine brings back at once."""


def cut(file: Path, folder: Path, part_size: int = PART_SIZE) -> list[Path]:
    """Writes the parts of a file and its SHA-256; returns the paths of the parts, in their order."""
    folder.mkdir(parents=True, exist_ok=True)
    content, parts = file.read_bytes(), []
    digest = hashlib.sha256(content).hexdigest()
    for number, place in enumerate(range(0, max(1, len(content)), part_size)):
        parts.append(folder / f"{file.name}.{digest[:8]}.part{number:05}")
        _write(parts[-1], content[place : place + part_size])
    _write(folder / f"{file.name}.sha256", (digest + "\n").encode())
    for old in _parts(folder, file.name, "????????"):
        if old not in parts:
            old.unlink()
    return parts


def join(folder: Path, file: Path) -> None:
    """Puts a file together again.

    Raises:
        ValueError: Parts are missing or damaged.
    """
    expected = folder / f"{file.name}.sha256"
    digest = expected.read_text().strip() if expected.exists() else ""
    content = b"".join(part.read_bytes() for part in _parts(folder, file.name, digest[:8]))
    if hashlib.sha256(content).hexdigest() != digest:
        raise ValueError(f"{folder} does not hold all parts of {file.name}: bring them back again.")
    _write(file, content)


def _parts(folder: Path, name: str, digits: str) -> list[Path]:
    return sorted(folder.glob(f"{glob.escape(name)}.{digits}.part*[0-9]"))


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(path.name + ".partial")
    temporary.write_bytes(content)
    os.replace(temporary, path)


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
