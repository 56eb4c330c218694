"""InsightFace's `.bin` test sets: pairs of encoded pictures and whether each shows one person.

Such a file is a pickle, and Python's own reader runs whatever a pickle asks for. Here the standard library only takes
it apart into instructions (`pickletools`), and this module follows those that data needs: numbers, bytes, lists,
tuples, and NumPy arrays of bytes. Everything else is refused, and nothing is ever called.
"""

from __future__ import annotations

import pickle
import pickletools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agetrans.data.labelled import DataError
from agetrans.files import whole_file

_MOST_INSTRUCTIONS = 20_000_000
"""A set of 100,000 pairs needs about one million."""


@dataclass(frozen=True)
class PairSet:
    """Pairs of pictures.

    Attributes:
        pictures: Encoded pictures; pair j is 2j and 2j + 1.
        same: Whether each pair shows one person.
    """

    pictures: list[bytes]
    same: list[bool]


def read_pair_bin(path: Path) -> PairSet:
    """Reads a `.bin` test set, of any pickle protocol.

    Raises:
        DataError: It is no such set, damaged, or holds anything but data. Nothing of it is run.
    """
    try:
        with path.open("rb") as file:
            value = _Reader(path).run(file)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    return _check(value, path)


def write_pair_bin(path: Path, pictures: Sequence[bytes], same: Sequence[bool]) -> None:
    """Writes a `.bin` test set that InsightFace and its descendants read: whole or not at all.

    Args:
        path: The file.
        pictures: Encoded pictures; pair j is 2j and 2j + 1.
        same: Whether each pair shows one person.

    Raises:
        DataError: There are not two pictures a pair.
    """
    if len(pictures) != 2 * len(same):
        raise DataError(f"{len(same)} pairs need {2 * len(same)} pictures, not {len(pictures)}.")
    with whole_file(path) as unfinished, unfinished.open("wb") as file:
        # Protocol 4: earlier ones have no bytes that Python 3 writes without a function call.
        pickle.dump((list(pictures), [bool(value) for value in same]), file, protocol=4)


def _check(value: Any, path: Path) -> PairSet:
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise DataError(f"{path} is no test set: it should hold pictures and labels of pairs.")
    pictures, same = (item.value if isinstance(item, _Object) else item for item in value)
    if not isinstance(pictures, (list, tuple)) or not isinstance(same, (list, tuple)):
        raise DataError(f"{path} is no test set: it should hold a list of pictures and one of labels.")
    encoded = [item.value if isinstance(item, _Object) else item for item in pictures]
    labels = [item.value if isinstance(item, _Object) else item for item in same]
    if not all(isinstance(item, bytes) for item in encoded):
        raise DataError(f"{path} holds something other than encoded pictures.")
    # A label is a truth value, or the number 0 or 1.
    if not all(isinstance(item, (bool, int)) and item in (0, 1) for item in labels):
        raise DataError(f"{path} holds labels other than true and false.")
    if len(encoded) != 2 * len(labels) or not labels:
        raise DataError(f"{path} holds {len(encoded)} pictures for {len(labels)} pairs.")
    return PairSet(encoded, [bool(item) for item in labels])


@dataclass(frozen=True)
class _Name:
    """A global that a pickle named: one of `_KNOWN`, never called."""

    name: str


@dataclass
class _Object:
    """An object that a pickle builds: what is known of its numbers."""

    kind: str
    value: Any = None


_KNOWN = {
    "_codecs encode": "encode",
    "numpy ndarray": "ndarray",
    "numpy dtype": "dtype",
    **{
        f"{module}.{name}": kind
        for module in ("numpy.core", "numpy._core")
        for name, kind in {
            "multiarray _reconstruct": "reconstruct",
            "multiarray scalar": "scalar",
            "numeric _frombuffer": "frombuffer",
        }.items()
    },
}
"""What sets in circulation name: Python 3's bytes in old protocols, NumPy's arrays and truth values."""
_MARK = object()


class _Reader:
    """Follows the instructions of one pickle."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stack: list[Any] = []
        self.memory: dict[int, Any] = {}

    def run(self, file: Any) -> Any:
        try:
            # Python writes down every object for later use and uses hardly any again: keeping them all would hold each
            # picture of old protocols twice, as the text that it was written as too.
            recalled = {argument for code, argument in self.instructions(file) if code.name in _RECALLS}
            file.seek(0)
            for code, argument in self.instructions(file):
                if code.name in _NOTES:
                    place = len(self.memory) if code.name == "MEMOIZE" else argument
                    self.memory[place] = self.stack[-1] if place in recalled else None
                    continue
                if code.name == "STOP":
                    return self.stack.pop()
                self.follow(code.name, argument)
        except DataError:
            raise
        except Exception as error:
            # Anything that the instructions do not allow for: an empty stack, a cut-off file, a wrong type.
            raise DataError(f"{self.path} is damaged, or no test set ({type(error).__name__}).") from None
        raise DataError(f"{self.path} is cut off.")

    def instructions(self, file: Any) -> Iterator[tuple[Any, Any]]:
        for count, (code, argument, _) in enumerate(pickletools.genops(file)):
            if count > _MOST_INSTRUCTIONS:
                raise DataError(f"{self.path} describes more objects than a test set has.")
            yield code, argument

    def follow(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name in ("PROTO", "FRAME"):
            return
        if name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _BYTES:
            stack.append(argument.encode("latin-1") if isinstance(argument, str) else bytes(argument))
        elif name in _PLAIN:
            stack.append(argument)
        elif name in ("EMPTY_LIST", "EMPTY_TUPLE"):
            stack.append([] if name == "EMPTY_LIST" else ())
        elif name == "MARK":
            stack.append(_MARK)
        elif name in ("LIST", "TUPLE"):
            items = self.to_mark()
            stack.append(items if name == "LIST" else tuple(items))
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            stack[-int(name[-1]) :] = [tuple(stack[-int(name[-1]) :])]
        elif name in ("APPEND", "APPENDS"):
            items = [stack.pop()] if name == "APPEND" else self.to_mark()
            self.list_on_top().extend(items)
        elif name in _RECALLS:
            stack.append(self.memory[argument])
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            stack.append(self.known(argument if name == "GLOBAL" else " ".join([stack.pop(-2), stack.pop()])))
        elif name == "REDUCE":
            stack.append(_made(stack.pop(-2), stack.pop()))
        elif name == "BUILD":
            _complete(stack[-2], stack.pop())
        else:
            raise DataError(f"{self.path} holds more than data (pickle instruction {name}); nothing was run.")

    def known(self, name: str) -> _Name:
        if name not in _KNOWN:
            raise DataError(
                f"{self.path} asks for {name.replace(' ', '.')!r}, which is not data; nothing of it was run."
            )
        return _Name(_KNOWN[name])

    def to_mark(self) -> list[Any]:
        items: list[Any] = []
        while (item := self.stack.pop()) is not _MARK:
            items.append(item)
        return items[::-1]

    def list_on_top(self) -> list[Any]:
        if type(self.stack[-1]) is not list:
            raise TypeError
        return self.stack[-1]


_NOTES = {"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"}
_RECALLS = {"GET", "BINGET", "LONG_BINGET"}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_BYTES = {
    "STRING",
    "BINSTRING",
    "SHORT_BINSTRING",
    "BINBYTES",
    "SHORT_BINBYTES",
    "BINBYTES8",
    "BYTEARRAY8",
}
"""Texts of Python 2 are bytes."""
_PLAIN = {
    "INT",
    "BININT",
    "BININT1",
    "BININT2",
    "LONG",
    "LONG1",
    "UNICODE",
    "BINUNICODE",
    "SHORT_BINUNICODE",
    "BINUNICODE8",
}


def _made(function: Any, arguments: Any) -> Any:
    """What a call would give, for the few that are known, made without calling anything."""
    if not isinstance(function, _Name) or not isinstance(arguments, tuple):
        raise TypeError
    if function.name == "encode" and len(arguments) == 2 and arguments[1] in ("latin1", b"latin1"):
        return arguments[0].encode("latin-1")
    if function.name == "dtype":
        text = arguments[0]
        return _Object(text.decode() if isinstance(text, bytes) else text)
    if function.name == "scalar" and arguments[0].kind == "b1" and len(arguments[1]) == 1:
        return arguments[1] != b"\0"
    if function.name == "reconstruct":
        return _Object("array")
    if function.name == "frombuffer":
        buffer, kind = arguments[:2]
        return _Object("array", _array(kind, buffer))
    raise TypeError


def _complete(target: Any, state: Any) -> None:
    """Fills an object in: an array with its bytes; of a type's state nothing is needed."""
    if not isinstance(target, _Object):
        raise TypeError
    if target.kind == "array":
        _, _, kind, _, content = state
        target.value = _array(kind, content)


def _array(kind: Any, content: Any) -> Any:
    """The bytes of an array of uint8, the truth values of an array of bool, the items of one of objects."""
    if kind.kind == "u1":
        return bytes(content)
    if kind.kind == "b1":
        return [value != 0 for value in content]
    if kind.kind == "O8" and isinstance(content, list):
        return content
    raise TypeError
