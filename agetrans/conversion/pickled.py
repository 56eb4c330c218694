"""Pickles as data: a reader of the instructions that PyTorch's files need, which runs nothing that a file names.

Python's own reader calls whatever a pickle tells it to. This one knows 30 instructions and no import: a pickle can make
numbers, texts, lists, tuples and dictionaries, and name the few things of `Names`. All else is refused.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_PROTOCOL = 2
_OBJECT_COST = 100
"""Bytes that an instruction's result may take in memory, a generous mean."""
_LEAST, _MOST = 2_000_000, 20_000_000
"""Bytes that the description of any file may take, and that of none: weights are not counted."""
_LARGEST_KEY = 2**60


class CheckpointError(ValueError):
    """A checkpoint cannot be used. The message is one sentence that says why."""


class Allowance:
    """Bounds the memory and the time that reading a file takes by the file's size, whatever the file claims.

    Args:
        size: Of the file, in bytes.
    """

    def __init__(self, size: int) -> None:
        self._left = min(_LEAST + size, _MOST)

    def spend(self, count: int) -> None:
        """Takes bytes.

        Raises:
            CheckpointError: None are left.
        """
        self._left -= count
        if self._left < 0:
            raise CheckpointError("it describes more objects than a file of its size should.")


@dataclass(frozen=True)
class Names:
    """What the globals of a pickle stand for; any other is refused.

    Attributes:
        values: "module name" to an inert value.
        functions: "module name" to what makes a value of a tuple of arguments. It must check them.
        stores: Gives the value of a persistent identifier; it must check it.
    """

    values: Mapping[str, Any]
    functions: Mapping[str, Callable[[tuple[Any, ...]], Any]]
    stores: Callable[[Any], Any]


@dataclass(frozen=True)
class _Function:
    """A function that a pickle has named and not called yet."""

    name: str


class Record(dict[str, Any]):
    """Attributes of an object whose class does not matter, such as `argparse.Namespace`."""


def read_pickle(data: memoryview, start: int, names: Names, allowance: Allowance) -> tuple[Any, int]:
    """Reads one pickle of protocol 2.

    Args:
        data: The bytes.
        start: Where the pickle begins.
        names: What its globals stand for.
        allowance: Shared by all that is read of a file.

    Returns:
        The object, and where the pickle ends. Objects may be shared, so walking through them may never end: look up
        what you need.

    Raises:
        CheckpointError: Anything that is not plain data, or not well formed.
    """
    reader = _Reader(data, start, names, allowance)
    try:
        return reader.run(), reader.position
    except (IndexError, KeyError, TypeError, UnicodeDecodeError, struct.error):
        # An empty stack, a cut-off number, a wrong type of operand: the instructions make no sense.
        raise CheckpointError(f"it is damaged near byte {reader.position}.") from None


class _Reader:
    """The state of one pickle: a stack, the stacks below its marks, and what was memorised."""

    def __init__(self, data: memoryview, start: int, names: Names, allowance: Allowance) -> None:
        self.data = data
        self.position = start
        self.names = names
        self.allowance = allowance
        self.stack: list[Any] = []
        self.marked: list[list[Any]] = []
        self.memory: dict[int, Any] = {}

    def run(self) -> Any:
        while (code := self.take(1)[0]) != _STOP:
            instruction = _INSTRUCTIONS.get(code)
            if instruction is None:
                raise CheckpointError(
                    f"it holds more than data (pickle instruction 0x{code:02x}); nothing of it was run."
                )
            self.allowance.spend(_OBJECT_COST)
            instruction(self)
        if self.marked or len(self.stack) != 1:
            raise IndexError
        return self.stack[0]

    def take(self, count: int) -> memoryview:
        end = self.position + count
        if end > len(self.data):
            raise IndexError
        part = self.data[self.position : end]
        self.position = end
        return part

    def number(self, layout: str) -> Any:
        return struct.unpack(layout, self.take(struct.calcsize(layout)))[0]

    def line(self) -> str:
        # Longer than any name that is known.
        text = bytes(self.data[self.position : self.position + 200])
        end = text.index(b"\n") if b"\n" in text else len(text)
        self.position += end + 1
        return text[:end].decode("ascii")

    def pop_to_mark(self) -> list[Any]:
        items = self.stack
        self.stack = self.marked.pop()
        return items

    def protocol(self) -> None:
        if (version := self.take(1)[0]) != _PROTOCOL:
            raise CheckpointError(f"it is pickled with protocol {version}, and PyTorch writes {_PROTOCOL}.")

    def mark(self) -> None:
        self.marked.append(self.stack)
        self.stack = []

    def text(self) -> None:
        encoded = self.take(self.number("<I"))
        self.allowance.spend(4 * len(encoded))
        self.stack.append(str(encoded, "utf-8", "surrogatepass"))

    def integer(self) -> None:
        self.stack.append(int.from_bytes(self.take(self.take(1)[0]), "little", signed=True))

    def tuple_of(self, count: int) -> None:
        items = tuple(self.stack[len(self.stack) - count :])
        if len(items) != count:
            raise IndexError
        del self.stack[len(self.stack) - count :]
        self.stack.append(items)

    def tuple_to_mark(self) -> None:
        items = tuple(self.pop_to_mark())
        self.stack.append(items)

    def append(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise TypeError
        target.extend(items)

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not dict or len(items) % 2:
            raise TypeError
        for key, value in zip(items[::2], items[1::2], strict=True):
            # Tuples of shared tuples and chosen large numbers can be made to take forever in a dictionary.
            if type(key) is not str and not (type(key) is int and abs(key) < _LARGEST_KEY):
                raise TypeError
            target[key] = value

    def name(self) -> None:
        name = f"{self.line()} {self.line()}"
        if name in self.names.functions:
            self.stack.append(_Function(name))
        elif name in self.names.values:
            self.stack.append(self.names.values[name])
        else:
            raise CheckpointError(
                f"it asks for {name.replace(' ', '.')!r}, which is not data; nothing of it was run."
            )

    def call(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if type(function) is not _Function or type(arguments) is not tuple:
            raise TypeError
        self.stack.append(self.names.functions[function.name](arguments))

    def make_record(self) -> None:
        arguments, kind = self.stack.pop(), self.stack.pop()
        if kind is not Record or type(arguments) is not tuple or arguments:
            raise TypeError
        self.stack.append(Record())

    def build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if type(state) is not dict or type(target) not in (dict, Record):
            raise TypeError
        if type(target) is Record:
            self.allowance.spend(_OBJECT_COST * len(state))
            target.update(state)
        # What a state dictionary carries beside its tensors (the versions of its layers) is of no use here.

    def store(self) -> None:
        self.stack.append(self.names.stores(self.stack.pop()))

    def memorise(self, index: int) -> None:
        self.memory[index] = self.stack[-1]


_STOP = ord(".")

_INSTRUCTIONS: dict[int, Callable[[_Reader], None]] = {
    0x80: _Reader.protocol,
    ord("("): _Reader.mark,
    ord("N"): lambda reader: reader.stack.append(None),
    0x88: lambda reader: reader.stack.append(True),
    0x89: lambda reader: reader.stack.append(False),
    ord("J"): lambda reader: reader.stack.append(reader.number("<i")),
    ord("K"): lambda reader: reader.stack.append(reader.number("<B")),
    ord("M"): lambda reader: reader.stack.append(reader.number("<H")),
    0x8A: _Reader.integer,
    ord("G"): lambda reader: reader.stack.append(reader.number(">d")),
    ord("X"): _Reader.text,
    ord("]"): lambda reader: reader.stack.append([]),
    ord("}"): lambda reader: reader.stack.append({}),
    ord(")"): lambda reader: reader.stack.append(()),
    0x85: lambda reader: reader.tuple_of(1),
    0x86: lambda reader: reader.tuple_of(2),
    0x87: lambda reader: reader.tuple_of(3),
    ord("t"): _Reader.tuple_to_mark,
    ord("a"): lambda reader: reader.append([reader.stack.pop()]),
    ord("e"): lambda reader: reader.append(reader.pop_to_mark()),
    ord("s"): lambda reader: reader.set_items([reader.stack.pop(-2), reader.stack.pop()]),
    ord("u"): lambda reader: reader.set_items(reader.pop_to_mark()),
    ord("c"): _Reader.name,
    ord("R"): _Reader.call,
    0x81: _Reader.make_record,
    ord("b"): _Reader.build,
    ord("q"): lambda reader: reader.memorise(reader.number("<B")),
    ord("r"): lambda reader: reader.memorise(reader.number("<I")),
    ord("h"): lambda reader: reader.stack.append(reader.memory[reader.number("<B")]),
    ord("j"): lambda reader: reader.stack.append(reader.memory[reader.number("<I")]),
    ord("Q"): _Reader.store,
}
