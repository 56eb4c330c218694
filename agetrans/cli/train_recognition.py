"""`agetrans train-recognition`: trains a recogniser across ages."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agetrans.cli.console import (
    CommandError,
    check_folder,
    check_out,
    check_same_run,
    counted,
    height_and_width,
)
from agetrans.cli.layouts import FOLDERS, add_layout_flags, layout_of
from agetrans.training import STATE

if TYPE_CHECKING:
    from agetrans.data.labelled import Collection

EPILOG = """
methods: baseline (margin loss alone), mtlface, dal, iefp-age and then iefp. Faces must be framed alike (aligned crops).
Pictures, ages and people are read from the folder as agetrans prepare reads them: mtlface (a list of 'id filename age
gender'), dal (PERSON/000_12.jpg, with --pat and --pos), iefp (PERSON/05179510_age_39.jpg), morph, fg-net or a CSV; and
folders: PERSON/NUMBER.jpg without ages, which the baseline alone can be trained on.
What the commands of MTLFace, DAL and IEFP become is in docs/recognition.md.
"""
CHANGES = {
    "backbone": ("network, such as ir50, irse50, iresnet100 or oecnn", str),
    "width": ("channels of the backbone's first level", int),
    "features": ("length of the embedding", int),
    "head": ("cosface or arcface", str),
    "scale": ("factor of the cosines", float),
    "margin": ("of the head", float),
    "groups": ("age groups: 4 to 8", int),
    "batch": ("pictures a step, over all devices", int),
    "steps": ("length of the run in steps", int),
    "epochs": ("length in passes over the data", float),
    "learning_rate": ("of SGD", float),
    "momentum": ("of SGD", float),
    "weight_decay": ("of kernels", float),
    "warmup": ("steps over which the rate rises", int),
    "gamma": ("factor of the rate behind each milestone", float),
    "clip": ("largest norm of all gradients, 0 for none", float),
    "age_weight": ("weight of the age loss", float),
    "disentangling_weight": ("weight of what drives age out of the identity", float),
    "gan_weight": ("synthesis: of the adversarial loss", float),
    "fas_age_weight": ("synthesis: of the age loss", float),
    "fas_identity_weight": ("synthesis: of the identity loss", float),
    "synthesis_rate": ("synthesis: learning rate of generator and discriminator", float),
    "purification": ("iefp: stages of the purification unit, 0 to 2", int),
    "policy": ("float32 or mixed_bfloat16", str),
    "tick": ("steps between two lines of the log", int),
    "checkpoint_minutes": ("minutes between two checkpoints", float),
}
"""Settings that a flag may change, each with its help and type."""
_SHAPING = {"mtlface": ("groups",), "iefp": ("purification",)}
"""Settings of a method that its network depends on, beside the backbone."""


def add_verb(verbs: Any, name: str) -> None:
    """Adds the verb and its flags to the command."""
    parser = verbs.add_parser(
        name,
        help="train a recogniser across ages: baseline, MTLFace, DAL or IEFP",
        description="Trains a recogniser. Run the same command again to go on with a run that was cut off.",
        epilog=EPILOG,
    )
    add = parser.add_argument
    add("data", type=Path, metavar="FOLDER", help="framed faces with ages and people")
    add("--method", required=True, metavar="NAME", help="baseline, mtlface, dal, iefp-age or iefp")
    add("--preset", default="authors", metavar="NAME", help="authors, gpu or cpu (default: authors)")
    add_layout_flags(parser)
    add("--out", type=Path, metavar="DIR", help="folder of the run (default: runs/recognition_METHOD)")
    add("--start", type=Path, metavar="RUN", help="a run, or a converted checkpoint, to start from")
    add("--age_branch", type=Path, metavar="RUN", help="iefp: a run that tells ages, the frozen branch")
    add("--train_fr", action="store_true", help="mtlface: train recognition (default)")
    add("--train_fas", action="store_true", help="mtlface: train synthesis; with --train_fr both")
    add("--size", type=height_and_width, metavar="HxW", help="height and width of the pictures")
    add("--milestones", type=_numbers, metavar="20000,23000", help="steps (epochs with --epochs)")
    add("--seed", type=int, default=0, metavar="N", help="of weights and batches (default: 0)")
    add("--devices", type=int, metavar="N", help="devices to train on (default: all GPUs)")
    for setting, (text, kind) in CHANGES.items():
        add(f"--{setting}", type=kind, metavar=kind.__name__.upper(), help=text)


def run(arguments: argparse.Namespace) -> int:
    """Does what the flags say; returns the exit status."""
    from agetrans.data.labelled import DataError

    try:
        return _train(arguments)
    except DataError as error:
        raise CommandError(str(error)) from error


def resolve(arguments: argparse.Namespace) -> Any:
    """The preset's settings with the flags' changes.

    Raises:
        DataError: They cannot be trained.
    """
    from agetrans.recognition.settings import preset

    settings = preset(arguments.method, arguments.preset)
    names = (*CHANGES, "size", "milestones")
    changes = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    length = changes.get("steps") or changes.get("epochs")
    if length:
        # The rate falls after the same share of the run, whether steps or epochs count it.
        share = length / (settings.steps or settings.epochs)
        changes.setdefault("milestones", tuple(share * milestone for milestone in settings.milestones))
    if changes.get("epochs"):
        changes.setdefault("steps", 0)
    if arguments.train_fas:
        changes |= {"synthesise": True, "recognise": arguments.train_fr}
    return replace(settings, **changes)


def _train(arguments: argparse.Namespace) -> int:
    from agetrans.recognition.settings import read_settings

    folder = arguments.data
    check_folder(folder)
    settings = resolve(arguments)
    out = arguments.out or Path("runs") / f"recognition_{settings.method}"
    check_out(out)
    if _has_run(out):
        settings = replace(settings, package=read_settings(out).package)
    elif arguments.start:
        settings = _started(settings, arguments.start)
    _check_same_run(out, settings)
    if settings.synthesise and not settings.recognise and not arguments.start and not _has_run(out):
        raise CommandError(
            "--train_fas alone needs a trained encoder, not a random one: give --start RUN, or --train_fr too."
        )
    if settings.method == "iefp" and arguments.age_branch is None and not _has_run(out):
        raise CommandError("--method iefp needs --age_branch RUN, a run of --method iefp-age.")
    found, layout = _people(arguments)
    settings.check_ages(found.photographs)
    if found.unused:
        print(
            f"{counted(len(found.unused), 'file')} cannot be used, such as {found.unused[0][0]}: {found.unused[0][1]}"
        )

    from agetrans.startup import start_keras

    start_keras()
    from agetrans.recognition.data import FaceSet
    from agetrans.recognition.session import train

    settings.check()
    faces = FaceSet.of(found.photographs)
    pictures, people = counted(len(faces.paths), "picture"), counted(len(faces.people), "person", "people")
    print(f"{pictures} of {people}, layout {layout}")
    return train(
        settings, faces, out, arguments.start, arguments.age_branch, arguments.seed, arguments.devices
    )


def _started(settings: Any, start: Path) -> Any:
    """The settings of a run that begins with another's recogniser, which says whose program's MTLFace it is.

    Raises:
        CommandError: The recogniser is another network, or lacks what the run needs of it.
    """
    from agetrans.recognition.settings import read_settings

    theirs = read_settings(start)
    kind = settings.method.removesuffix("-age")
    if theirs.method.removesuffix("-age") != kind:
        raise CommandError(
            f"--start {start} is a recogniser of --method {theirs.method}, and --method {settings.method} has another "
            "network."
        )
    names = ["backbone", "size", "width", "features", *_SHAPING.get(kind, ())]
    different = [name for name in names if getattr(theirs, name) != getattr(settings, name)]
    if different:
        flags = " ".join(f"--{name} {_as_flag(getattr(theirs, name))}" for name in different)
        raise CommandError(f"--start {start} is another network than this run's: give {flags}.")
    if settings.synthesise and not settings.recognise and not theirs.age_weight:
        raise CommandError(
            f"--train_fas alone asks the age head, and nothing has trained that of {start}: give --train_fr too."
        )
    return replace(settings, package=theirs.package)


def _as_flag(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _people(arguments: argparse.Namespace) -> tuple[Collection, str]:
    """The photographs of the folder and the name of its layout; a folder a person where no layout with ages fits."""
    from agetrans.data.labelled import Collection, DataError
    from agetrans.data.layouts import people_in_folders

    folder = arguments.data
    ageless = Collection(people_in_folders(folder)) if arguments.layout in (FOLDERS, "auto") else Collection()
    if arguments.layout == FOLDERS:
        return ageless, FOLDERS
    try:
        layout = layout_of(arguments, folder)
    except DataError:
        if ageless.photographs:
            return ageless, FOLDERS
        raise
    return layout.read(folder), layout.name


def _has_run(out: Path) -> bool:
    return (out / STATE).is_file()


def _check_same_run(out: Path, settings: Any) -> None:
    record = out / "settings.json"
    if record.is_file():
        earlier = type(settings).from_json(record.read_text(encoding="utf-8"))
        check_same_run(out, settings.differences(earlier))


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"numbers with commas between, not {text!r}") from None
