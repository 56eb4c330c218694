"""The ablation of AgeTransGAN's losses, repeated small: the same budget for each row, then `agetrans evaluate`.

    python -m benchmarks.ablation --data data/prepared64 --people people.npz --out runs/ablation

DATA is from `agetrans prepare --size 64`, PEOPLE from `agetrans.data.photographs`: people that are not in DATA. A row
that is done already is not trained again. With --recogniser RUN, a run of `agetrans train-recognition` or a converted
checkpoint, there is one more row, L_id^pre in the place of L_id.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

ROWS = {
    "B/L": {"cycle": 0, "triplet": 0, "identity": 0},
    "+ L_cyc": {"triplet": 0, "identity": 0},
    "+ L_cyc + L_t": {"identity": 0},
    "+ L_cyc + L_t + L_id": {},
}
"""Rows of the authors' table that need no pretrained network, and the losses that are switched off in each."""
RECOGNISER_ROW = {"+ L_cyc + L_t + L_id^pre": {"identity": 0, "recogniser": 1}}
"""The row that needs a recogniser. The authors give no weight: 1 is that of L_id in a public derivative."""
FIXED = {
    "preset": "agetransgan_256",
    "size": 64,
    "group": 4,
    "accumulate": 1,
    "learning_rate": 1e-3,
    "discriminator_rate": 1e-3,
    "ema_kimg": 0.5,
    "tick_kimg": 0.4,
    "path_length_loss": 0,
}
"""What all rows share: short runs ask for larger steps than the preset's."""


def main() -> None:
    """Trains, converts and judges every row, and prints where its figures are."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--people", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kimg", default="6")
    parser.add_argument("--width", default="16")
    parser.add_argument("--batch", default="8")
    parser.add_argument("--count", default="40", help="people of 20 to 29 that are judged")
    parser.add_argument("--recogniser", type=Path, metavar="RUN", help="adds the row with L_id^pre")
    flags = parser.parse_args()
    fixed = {"kimg": flags.kimg, "width": flags.width, "batch": flags.batch}
    for number, (name, weights) in enumerate(rows(flags.recogniser).items()):
        run, snapshot, report = (flags.out / f"{part}{number}" for part in ("run", "snapshot", "report"))
        texts = row_flags({**FIXED, **fixed}, weights, flags.recogniser)
        _python("train.py", "--data", flags.data, "--out", run, *texts)
        _python("-m", "agetrans", "convert", "run", run, "--out", snapshot)
        _python(
            "-m", "agetrans", "evaluate", flags.people, "--snapshot", snapshot, "--people", flags.count,
            "--runs", "0", "--out", report,
        )  # fmt: skip
        print(name, json.dumps(_figures(report, snapshot.name)), flush=True)


def rows(recogniser: Path | None) -> dict[str, dict[str, int]]:
    """The rows that can be trained, and the weights of losses that each changes."""
    return {**ROWS, **(RECOGNISER_ROW if recogniser else {})}


def row_flags(fixed: dict[str, object], weights: dict[str, int], recogniser: Path | None) -> list[str]:
    """Flags of `train.py` for a row; the recogniser where the row has its loss."""
    settings = {**fixed, **{f"{loss}_loss": weight for loss, weight in weights.items()}}
    if "recogniser" in weights:
        settings["recogniser"] = recogniser
    return [text for flag, value in settings.items() for text in (f"--{flag}", str(value))]


def _python(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, *map(str, arguments)], check=True)


def _figures(report: Path, method: str) -> dict[str, list[float | None]]:
    """A method's figures of each metric, in the order of the groups; None where there was nothing to judge."""
    lines = (report / "figures.jsonl").read_text(encoding="utf-8").splitlines()
    figures: dict[str, list[float | None]] = {}
    for line in map(json.loads, lines):
        if line["independent"] and line["method"] == method:
            value = line["value"]
            figures.setdefault(line["metric"], []).append(None if value is None else round(value, 3))
    return figures


if __name__ == "__main__":
    main()
