"""The `agetrans` command: its verbs."""

from __future__ import annotations

import argparse

import agetrans
from agetrans.cli import (
    convert,
    evaluate,
    export,
    insightface,
    prepare,
    train_recognition,
    transform,
    verify,
    web,
)
from agetrans.cli.console import SentenceParser, run_console

VERBS = {
    "transform": transform,
    "web": web,
    "convert": convert,
    "export": export,
    "evaluate": evaluate,
    "prepare": prepare,
    "prepare insightface": insightface,
    "train-recognition": train_recognition,
    "verify": verify,
}
"""The verbs by name; one of two words is a kind of the first."""


def parse(argv: list[str]) -> argparse.Namespace:
    """Flags of the `agetrans` command; `argv[0]` is the program."""
    parser = SentenceParser(prog="agetrans", description="A photograph in, the same person at any age out.")
    parser.add_argument(
        "--version",
        action="version",
        help="show the version and exit",
        version=f"agetrans {agetrans.__version__}",
    )
    verbs = parser.add_subparsers(title="verbs", dest="verb", required=True, metavar="VERB")
    for name, module in VERBS.items():
        module.add_verb(verbs, name)
    words = argv[1:]
    if " ".join(words[:2]) in VERBS:
        words[:2] = [" ".join(words[:2])]
    return parser.parse_args(words)


def console() -> None:
    """The entry point of the installed command."""
    run_console(parse, lambda arguments: VERBS[arguments.verb].run(arguments))
