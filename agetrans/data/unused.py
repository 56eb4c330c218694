"""The list of what could not be used and why: `unused.csv`."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from agetrans.files import write_text

UNUSED_FILE = "unused.csv"


def write_reasons(folder: Path, unused: Sequence[Sequence[str]], what: str = "file") -> None:
    """Writes `unused.csv`.

    Args:
        folder: Where to.
        unused: Names, each with the reason.
        what: What the names are of, the first column's title.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([(what, "reason"), *unused])
    write_text(folder / UNUSED_FILE, text.getvalue(), errors="surrogateescape")
