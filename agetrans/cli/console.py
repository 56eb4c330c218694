"""What all command lines share: how they read flags, fail in a sentence, and show progress."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from absl import app, flags
from absl.flags import argparse_flags

DONE, SOME_FAILED, FAILED, INTERRUPTED = 0, 1, 2, 130

EXIT_CODES = (
    "exit status: 0 all is done; 1 some pictures of a folder could not be used, they are listed; 2 nothing could be "
    "done, one sentence says why; 130 interrupted"
)


class CommandError(ValueError):
    """What the user asked for cannot be done. The message is one sentence."""


def check_file(file: Path) -> None:
    """Refuses a source that is no file.

    Raises:
        CommandError: there is none.
    """
    if not file.is_file():
        raise CommandError(f"There is no file {file}.")


def check_folder(folder: Path) -> None:
    """Refuses a source that is no folder.

    Raises:
        CommandError: there is none.
    """
    if not folder.is_dir():
        raise CommandError(f"There is no folder {folder}.")


def check_out(out: Path) -> None:
    """Refuses a place for results that is a file.

    Raises:
        CommandError: it is one.
    """
    if out.exists() and not out.is_dir():
        raise CommandError(f"--out must be a folder, and {out} is a file.")


def check_same_run(out: Path, different: Sequence[str]) -> None:
    """Refuses to go on with a run whose settings were others.

    Args:
        out: Its folder.
        different: Names of the settings that are not as they were.

    Raises:
        CommandError: there are some.
    """
    if different:
        raise CommandError(
            f"{out} is a run with another {', '.join(different)}: give the same flags again, or another --out."
        )


def height_and_width(text: str) -> tuple[int, int]:
    """What a flag such as `--size 112x96` says.

    Raises:
        argparse.ArgumentTypeError: It is no size.
    """
    height, _, width = text.partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise argparse.ArgumentTypeError(f"a size is height x width such as 112x96, not {text!r}")
    return int(height), int(width)


class SentenceParser(argparse_flags.ArgumentParser):
    """Complains in one sentence instead of a page of usage."""

    def __init__(self, **options: Any) -> None:
        super().__init__(inherited_absl_flags=None, allow_abbrev=False, add_help=False, **options)
        self.add_argument("-h", "--help", action="help", help="show this and exit")

    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"{self.prog}: {message}. {self.prog} --help lists what there is.\n")
        sys.exit(FAILED)


@dataclass(frozen=True)
class Kind:
    """What a verb does with one kind of file.

    Attributes:
        what: The kind in a line, for help.
        add_flags: Adds its arguments and flags.
        run: Does what they say; returns the exit status.
    """

    what: str
    add_flags: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def add_kinds(parser: argparse.ArgumentParser, kinds: Mapping[str, Kind]) -> None:
    """Lets a verb take the name of a kind, which `arguments.kind` says, and that kind's flags."""
    choices = parser.add_subparsers(title="kinds", dest="kind", required=True, metavar="KIND")
    for name, kind in kinds.items():
        kind.add_flags(
            choices.add_parser(name, help=kind.what, description=f"{parser.prog} {name}: {kind.what}.")
        )


def run_console(
    parse: Callable[[list[str]], argparse.Namespace], run: Callable[[argparse.Namespace], int]
) -> None:
    """Runs a command line under absl and ends the process with its exit status.

    Being told to end (SIGTERM, as a container's or a service's stop is) is the same as Control-C.
    """

    def parse_all(argv: list[str]) -> argparse.Namespace:
        flags.FLAGS(argv[:1])  # absl's own flags keep their defaults
        return parse(argv)

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app.run(lambda arguments: in_sentences(run, arguments), flags_parser=parse_all)


def in_sentences(run: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> int:
    """Runs a command; expected failures become a sentence on standard error and an exit status."""
    try:
        return run(arguments)
    except KeyboardInterrupt:
        say("Interrupted. The files written so far are whole.")
        return INTERRUPTED
    except expected_errors() as error:
        say(str(error))
        return FAILED
    except MemoryError:
        say("There is not enough memory for this: close other programs, or make the picture smaller.")
        return FAILED
    except OSError as error:
        # A full disk, a folder that may not be written to: the reason and the file say all there is to say.
        say(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        return FAILED


def expected_errors() -> tuple[type[Exception], ...]:
    """What a picture, a snapshot or a flag may raise, each with a message of one sentence."""
    from agetrans.faces import FaceNotFound
    from agetrans.faces.framing import FramingError
    from agetrans.inference.filmsource import FilmError
    from agetrans.pictures import PictureError
    from agetrans.pipelines import PipelineError
    from agetrans.snapshot import SnapshotError

    return CommandError, FaceNotFound, FilmError, FramingError, PictureError, PipelineError, SnapshotError


def say(sentence: str) -> None:
    """Tells the user something beside the result."""
    print(f"agetrans: {sentence}", file=sys.stderr)


def progress(items: Iterable[Any], what: str, count: int) -> Iterable[Any]:
    """A progress bar with the time left on standard error, where that is a terminal."""
    from tqdm import tqdm

    return tqdm(items, desc=what, total=count, unit="picture", leave=False, disable=None, file=sys.stderr)


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """How many there are: "1 picture", "2,000 pictures"; the plural is given where it is not the noun and an s."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def are(count: int) -> str:
    """The verb after a number of things: "is" after one, else "are"."""
    return "is" if count == 1 else "are"


def shown(path: Path) -> str:
    """A path as a user would type it: relative where it lies below the current folder."""
    try:
        relative = os.path.relpath(path)
    except ValueError:  # on another of Windows' drives
        return str(path)
    return str(path) if relative.startswith(os.pardir) else relative
