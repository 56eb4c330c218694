"""Trains a generator: `python train.py --group 4`. `python train.py --help` lists what there is."""

from __future__ import annotations

from agetrans.cli.console import run_console
from agetrans.training.command import main, parse

if __name__ == "__main__":
    run_console(parse, main)
