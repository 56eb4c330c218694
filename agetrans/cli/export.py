"""`agetrans export KIND SNAPSHOT`: snapshots to the files of other programs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from absl import logging

from agetrans.cli.console import DONE, CommandError, Kind, add_kinds, say, shown


def add_verb(verbs: Any, name: str) -> None:
    """Adds the verb, its kinds and their flags to the command."""
    parser = verbs.add_parser(
        name,
        help="write a snapshot for another program",
        description="Writes a snapshot as a file that another program reads.",
    )
    add_kinds(parser, KINDS)


def run(arguments: argparse.Namespace) -> int:
    """Does what the flags say; returns the exit status."""
    return KINDS[arguments.kind].run(arguments)


def _agetransgan_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("snapshot", metavar="SNAPSHOT", help="a snapshot of the model AgeTransGAN")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.pt", help="the checkpoint to write")


def _agetransgan(arguments: argparse.Namespace) -> int:
    from agetrans.snapshot import find_snapshot, load_snapshot, read_config

    if arguments.out.is_dir():
        raise CommandError(f"--out must be a file, and {arguments.out} is a folder.")
    folder = find_snapshot(arguments.snapshot, say)
    model = read_config(folder).model_class
    if model != "AgeTransGAN":
        raise CommandError(f"{folder} holds an {model}, and the authors' program runs AgeTransGAN alone.")
    snapshot = load_snapshot(folder)
    from agetrans.conversion import agetransgan

    agetransgan.save(snapshot.generator, arguments.out)
    print(f"The checkpoint is {shown(arguments.out)}")
    return DONE


def _model_flags(out: str, what: str) -> Callable[[argparse.ArgumentParser], None]:
    def add(parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "snapshot", metavar="SNAPSHOT", help="a name in snapshot/, a folder, or a checkpoint"
        )
        parser.add_argument("--out", type=Path, required=True, metavar=out, help=what)

    return add


def _model(kind: str) -> Callable[[argparse.Namespace], int]:
    def export(arguments: argparse.Namespace) -> int:
        from agetrans.snapshot import find_snapshot, load_snapshot

        if kind != "savedmodel" and arguments.out.is_dir():
            raise CommandError(f"--out must be a file, and {arguments.out} is a folder.")
        snapshot = load_snapshot(find_snapshot(arguments.snapshot, say))
        from agetrans.export import formats
        from agetrans.export.module import ExportError

        logging.set_verbosity(logging.WARNING)  # TensorFlow tells where it writes, line after line
        say("Exporting, and holding the result against the model ...")
        try:
            difference = getattr(formats, f"export_{kind}")(snapshot, arguments.out)
        except ExportError as error:
            raise CommandError(str(error)) from None
        megabytes = sum(file.stat().st_size for file in _files(arguments.out)) / 1e6
        print(
            f"The model is {shown(arguments.out)}, {megabytes:.1f} MB; on random input it differs from the snapshot "
            f"by at most {difference:.1g}"
        )
        return DONE

    return export


def _files(path: Path) -> list[Path]:
    return [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]


KINDS = {
    "agetransgan": Kind("a checkpoint for the official program (PyTorch)", _agetransgan_flags, _agetransgan),
    "savedmodel": Kind(
        "a TensorFlow SavedModel, for TensorFlow Serving and others",
        _model_flags(
            "FOLDER", "the folder to write; TensorFlow Serving wants a number, such as models/agetrans/1"
        ),
        _model("savedmodel"),
    ),
    "onnx": Kind(
        "an ONNX file, for ONNX Runtime and others",
        _model_flags("FILE.onnx", "the file to write"),
        _model("onnx"),
    ),
    "litert": Kind(
        "a LiteRT (TensorFlow Lite) file, for phones",
        _model_flags("FILE.tflite", "the file to write"),
        _model("litert"),
    ),
}
