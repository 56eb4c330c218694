"""Files of PyTorch, read without it: honest ones to the bit, and nothing but a sentence for all others."""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import re
import struct
import tracemalloc
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agetrans.conversion.pickled import CheckpointError
from agetrans.conversion.torch_files import read_torch_file
from agetrans.conversion.torch_writer import write_torch_file
from tests.conversion.checkpoints import (
    GOLDEN,
    HEAD,
    doubled,
    legacy,
    number,
    tensor,
    text,
    zip_of,
    zip_of_pickle,
    zipped,
)

ARRAYS = {
    "matrix": np.arange(6, dtype="f").reshape(2, 3),
    "scalar": np.array(-3.5, "f"),
    "half": np.array([1.5, np.inf], "f2"),
    "double": np.array([[np.pi]]),
    "counter": np.array(2**40, "i8"),
    "empty": np.zeros((0, 2), "f"),
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Honest files: ours, and the golden ones where they are."""
    entries = {"g_ema": ARRAYS, "d": {"x": np.ones(3, "f")}}
    files = [legacy(entries, tmp_path_factory.mktemp("corpus")), zipped(entries)]
    return files + [
        (GOLDEN / f"tensors.{kind}.pt").read_bytes() for kind in ("zip", "legacy") if GOLDEN.is_dir()
    ]


def read(data: bytes, folder: Path) -> Any:
    path = folder / "file.pt"
    path.write_bytes(data)
    return read_torch_file(path)


def refusal(data: bytes, folder: Path) -> str:
    """The sentence that a file gets, or nothing."""
    try:
        read(data, folder)
    except CheckpointError as error:
        return str(error)
    return ""


def test_what_is_written_is_read(corpus: list[bytes], tmp_path: Path) -> None:
    for data in corpus[:2]:
        found = read(data, tmp_path)
        assert list(found) == ["g_ema", "d"]
        assert list(found["g_ema"]) == list(ARRAYS)
        for name, expected in ARRAYS.items():
            array = found["g_ema"][name]
            assert array.dtype == expected.dtype
            np.testing.assert_array_equal(array, expected, strict=True)
            assert not (array.size and array.flags.writeable)


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="golden/agetransgan is not beside the repository")
@pytest.mark.parametrize("kind", ["zip", "legacy"])
def test_odd_tensors_of_pytorch(kind: str) -> None:
    found = read_torch_file(GOLDEN / f"tensors.{kind}.pt")
    expected = np.load(GOLDEN / "tensors.npz")
    assert found["state"].keys() == set(expected)
    for name in expected:
        np.testing.assert_array_equal(found["state"][name], expected[name], strict=True)
    assert found["nested"] == {"list": [1, 2.5, None, True], "tuple": (1, "a")}


def test_pytorch_reads_what_is_written(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the judge")
    write_torch_file(tmp_path / "file.pt", {"g_ema": ARRAYS})
    found = torch.load(tmp_path / "file.pt", weights_only=True)["g_ema"]
    assert list(found) == list(ARRAYS)
    for name, expected in ARRAYS.items():
        np.testing.assert_array_equal(found[name].numpy(), expected, strict=True)


@pytest.mark.parametrize("new", [True, False])
def test_what_pytorch_writes_is_read(tmp_path: Path, new: bool) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the author")
    import argparse

    x = torch.arange(12.0).reshape(3, 4)
    saved = {
        "view": x.T[1:],
        "base": x,
        "repeated": torch.tensor([7.0]).expand(5),
        "brain": torch.tensor([1.0, -2.5, 3e38]).bfloat16(),
        "short": torch.tensor([-5], dtype=torch.int16),
        "args": argparse.Namespace(size=1024),
        "optimizer": {"state": {140234567890123: {"step": 3}}},
    }
    torch.save(saved, tmp_path / "file.pt", _use_new_zipfile_serialization=new)
    found = read_torch_file(tmp_path / "file.pt")
    for name in ("view", "base", "repeated", "short"):
        np.testing.assert_array_equal(found[name], saved[name].numpy(), strict=True)
    np.testing.assert_array_equal(found["brain"], saved["brain"].float().numpy(), strict=True)
    assert found["args"] == {"size": 1024}
    assert found["optimizer"]["state"][140234567890123] == {"step": 3}


def test_brain_floats_take_twice_their_bytes(tmp_path: Path) -> None:
    count = 1_000_000
    pickled = tensor((count,), (1,), elements=count).replace(b"FloatStorage", b"BFloat16Storage")
    data = zip_of_pickle(pickled, _0=np.full(count, 0x3F80, "<u2").tobytes())
    tracemalloc.start()
    found = read(data, tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (found == 1).all()
    assert peak < 2 * len(data) + 100_000


def test_storages_that_are_parts_of_another_and_big_endian_numbers(tmp_path: Path) -> None:
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + number(4)
    part = storage + b"(" + text("1") + number(1) + number(3) + b"ttQ"
    pickled = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + part + b"K\x01(K\x02t(K\x01t\x89)tR."
    head = HEAD[: HEAD.rindex(b"\x80\x02")] + pickle.dumps({"little_endian": False}, 2)
    data = head + pickled + pickle.dumps(["0"], 2) + struct.pack(">q4f", 4, 10, 11, 12, 13)
    np.testing.assert_array_equal(read(data, tmp_path), [12, 13])


class Trap:
    """Writes a file when an ordinary reader unpickles it."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)


GLOBAL_SYSTEM = b"cos\nsystem\n"
TOUCH = text("touch {marker}")
MALICIOUS = {
    "reduce": b"\x80\x02" + GLOBAL_SYSTEM + TOUCH + b"\x85R.",
    "reduce inside of a tensor": tensor((2,), (1,))[:-3] + GLOBAL_SYSTEM + TOUCH + b"\x85RtR.",
    "known function, unknown arguments": b"\x80\x02ccollections\nOrderedDict\n]" + TOUCH + b"a\x85R.",
    "call of a number": b"\x80\x02K\x01" + TOUCH + b"\x85R.",
    "call of a text": b"\x80\x02" + text("os system") + TOUCH + b"\x85R.",
    "build": b"\x80\x02ccollections\nOrderedDict\n)R" + GLOBAL_SYSTEM + b"b.",
    "build with __setstate__": b"\x80\x02cargparse\nNamespace\n)\x81}"
    + text("__setstate__")
    + GLOBAL_SYSTEM
    + b"sb.",
    "build of a class": b"\x80\x02ctorch\nFloatStorage\n}" + text("name") + text("Half") + b"sb.",
    "new object": b"\x80\x02" + GLOBAL_SYSTEM + TOUCH + b"\x85\x81.",
    "inst": b"\x80\x02(" + TOUCH + b"ios\nsystem\n.",
    "obj": b"\x80\x02(" + GLOBAL_SYSTEM + TOUCH + b"o.",
    "stack global": b"\x80\x04\x8c\x02os\x8c\x06system\x93" + TOUCH + b"\x85R.",
    "extension registry": b"\x80\x02\x82\x01" + TOUCH + b"\x85R.",
    "persistent call": b"\x80\x02" + GLOBAL_SYSTEM + b"Q.",
    "persistent text": b"\x80\x02Pos.system\n.",
    "attribute of a module": b"\x80\x02cbuiltins\ngetattr\ncos\n__dict__\n" + text("system") + b"\x86R.",
    "dotted name": b"\x80\x02ccollections\nOrderedDict.__init__.__globals__\n.",
    "name with a space": b"\x80\x02ccollections OrderedDict\n\n)R.",
    "pytorch's own loader": b"\x80\x02ctorch.storage\n_load_from_bytes\n" + TOUCH + b"\x85R.",
    "memo: a function swapped in": b"\x80\x02" + GLOBAL_SYSTEM + b"q\x00h\x00" + TOUCH + b"\x85R.",
    "memo: nothing there": b"\x80\x02h\x07.",
    "protocol 0": b"cos\nsystem\n(S'touch {marker}'\ntR.",
    "no end": b"\x80\x02}",
    "empty stack": b"\x80\x02.",
    "two results": b"\x80\x02NN.",
    "open mark": b"\x80\x02(N.",
    "mark too many": b"\x80\x02Nt.",
    "text beyond the end": b"\x80\x02X\xff\xff\xff\xff.",
    "no text": b"\x80\x02X\x02\x00\x00\x00\xff\xff.",
    "key that is a list": b"\x80\x02}]Ns.",
    "key that takes for ever": b"\x80\x02" + doubled(200) + b"}h\x00Ns.",
    "keys that collide": b"\x80\x02}("
    + b"".join(number((2**61 - 1) * n) + b"N" for n in range(1, 9))
    + b"u.",
    "odd number of items": b"\x80\x02}(Nu.",
    "items of a number": b"\x80\x02K\x01(NNu.",
    "a dictionary poured into a thousand records": b"\x80\x02("
    + b"}("
    + b"".join(b"M" + struct.pack("<H", n) + b"N" for n in range(1000))
    + b"uq\x00"
    + b"cargparse\nNamespace\n)\x81h\x00b" * 1000
    + b"t.",
    "a million objects": b"\x80\x02(" + b"}" * 1_000_000 + b"t.",
    "a storage of terabytes": tensor((4,), (1,), elements=2**40),
    "a storage below zero": tensor((4,), (1,), elements=-4),
    "a tensor beyond its storage": tensor((5,), (1,)),
    "a tensor before its storage": tensor((2,), (1,), first=-1),
    "a stride below zero": tensor((2,), (-1,), first=3),
    "a shape below zero": tensor((-1,), (1,)),
    "a tensor of exabytes": tensor((2**40, 2**40), (0, 0)),
    "a tensor of nothing times exabytes": tensor((2**40, 2**40, 0), (0, 0, 0)),
    "a thousand axes": tensor((1,) * 1000, (1,) * 1000),
    "a shape longer than its strides": tensor((2, 2), (1,)),
    "a shape of texts": tensor((2,), (1,)).replace(number(2), text("2")),
    "a storage of lists": tensor((2,), (1,)).replace(b"ctorch\nFloatStorage\n", b"]"),
    "a storage without a name": tensor((2,), (1,)).replace(text("0"), b"N"),
    "another storage": tensor((2,), (1,)).replace(text("0"), text("../0")),
}


@pytest.mark.parametrize("container", ["zip", "legacy"])
@pytest.mark.parametrize("case", MALICIOUS)
def test_a_malicious_file_is_refused_and_runs_nothing(case: str, container: str, tmp_path: Path) -> None:
    marker = tmp_path / "it ran"
    instructions = MALICIOUS[case].replace(TOUCH, text(f"touch '{marker}'"))
    if container == "zip":
        data = zip_of_pickle(instructions, _0=bytes(16))
    else:
        data = HEAD + instructions + pickle.dumps(["0"], 2) + struct.pack("<q", 4) + bytes(16)
    with pytest.raises(CheckpointError, match=r"file\.pt cannot be read as a checkpoint: [a-z].+\.$"):
        read(data, tmp_path)
    assert not marker.exists()


@pytest.mark.parametrize("protocol", range(6))
def test_traps_of_every_protocol(protocol: int, tmp_path: Path) -> None:
    marker = tmp_path / "it ran"
    trap = pickle.dumps({"g_ema": Trap(marker)}, protocol)
    for data in (trap, HEAD + trap, zip_of_pickle(trap)):
        with pytest.raises(CheckpointError):
            read(data, tmp_path)
    assert not marker.exists()
    pickle.loads(trap)
    assert marker.exists()


def test_deep_nesting_is_harmless(tmp_path: Path) -> None:
    for deep in (b"]" * 9_000 + b"a" * 8_999, b"N" + b"\x85" * 9_000, doubled(2_000)):
        result = read(zip_of_pickle(b"\x80\x02" + deep + b"."), tmp_path)
        assert type(result) in (list, tuple)


def lying_zips() -> dict[str, bytes]:
    honest = zip_of_pickle(tensor((4,), (1,)), _0=np.arange(4, dtype="f").tobytes())
    entry = honest.index(b"PK\x01\x02", honest.index(b"PK\x01\x02") + 4)  # of the storage
    end = honest.rindex(b"PK\x05\x06")

    def patched(at: int, layout: str, *values: int) -> bytes:
        return honest[:at] + struct.pack(layout, *values) + honest[at + struct.calcsize(layout) :]

    return {
        "content larger than the file": patched(entry + 20, "<II", 10**6, 10**6),
        "sizes that differ": patched(entry + 24, "<I", 10**9),
        "content beyond the file": patched(entry + 42, "<I", 10**6),
        "content before the file": patched(end + 16, "<I", 10**6),
        "storage smaller than claimed": patched(entry + 20, "<II", 12, 12),
        "members that share bytes": patched(entry + 42, "<I", 0),
        "directory larger than the file": patched(end + 12, "<I", 10**9),
        "no directory": honest[:end],
        "half a file": honest[: len(honest) // 2],
        "encrypted": patched(entry + 8, "<H", 1),
        "compressed": zip_of({"a/data.pkl": tensor((4,), (1,)), "a/data/0": bytes(16)}, zipfile.ZIP_DEFLATED),
        "two pickles": zip_of({"a/data.pkl": b"\x80\x02N.", "b/data.pkl": b"\x80\x02N."}),
        "no pickle": zip_of({"word/document.xml": b"<xml/>"}),
    }


@pytest.mark.parametrize("case", lying_zips())
def test_a_lying_zip_is_refused(case: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError):
        read(lying_zips()[case], tmp_path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_of_two_members_of_one_name_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "twice.pt", "w") as archive:
        for content in (b"\x80\x02N.", b"\x80\x02}."):
            archive.writestr("a/data.pkl", content)
    with pytest.raises(CheckpointError, match="one name"):
        read_torch_file(tmp_path / "twice.pt")


@pytest.mark.parametrize(
    "data", [b"", b"x", b"\x80", b"PK\x03\x04", b"\xff\xd8\xff\xe0 a picture", HEAD, HEAD[:20]]
)
def test_other_files_are_refused(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"file\.pt cannot be read as a checkpoint: "):
        read(data, tmp_path)


def test_no_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.pt"):
        with pytest.raises(CheckpointError, match="no such file"):
            read_torch_file(path)


def test_every_cut_is_noticed(corpus: list[bytes], tmp_path: Path) -> None:
    for data in corpus[:2]:
        for length in range(0, len(data), 23):
            with pytest.raises(CheckpointError):
                read(data[:length], tmp_path)


@st.composite
def mutations(draw: st.DrawFn) -> list[tuple[str, float, bytes]]:
    """What to do where, as a share of the length, with which bytes."""
    kinds = st.sampled_from(("overwrite", "insert", "delete", "repeat"))
    interesting = st.sampled_from(
        [b"\xff\xff\xff\xff", b"\x00\x00\x00\x80", b"(", b"t", b"R", b"Q", b"h\x00", b"\x81", b"b"]
    )
    step = st.tuples(
        kinds, st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=8) | interesting
    )
    return draw(st.lists(step, min_size=1, max_size=6))


def mutated(data: bytes, steps: list[tuple[str, float, bytes]]) -> bytes:
    for kind, share, piece in steps:
        at = int(share * len(data))
        if kind == "overwrite":
            data = data[:at] + piece + data[at + len(piece) :]
        elif kind == "insert":
            data = data[:at] + piece + data[at:]
        elif kind == "delete":
            data = data[:at] + data[at + len(piece) :]
        else:
            data = data[:at] + data[at : at + 40] * 50 + data[at:]
    return data


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(which=st.integers(0, 3), steps=mutations())
def test_mutated_files_are_read_or_refused_in_little_memory(
    corpus: list[bytes], which: int, steps: list[tuple[str, float, bytes]], tmp_path: Path
) -> None:
    check_answer(mutated(corpus[which % len(corpus)], steps), tmp_path)


def check_answer(data: bytes, folder: Path) -> None:
    """The file is read, or refused in one line, in little memory."""
    tracemalloc.start()
    complaint = refusal(data, folder)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "\n" not in complaint
    assert peak < 2 * len(data) + 3_000_000


PLACES = st.floats(0, 1, exclude_max=True)


def at(items: Sequence[Any], share: float) -> int:
    return int(share * len(items))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(("delete", "repeat", "swap")), PLACES, PLACES), min_size=1, max_size=6
    )
)
def test_honest_instructions_in_another_order(
    corpus: list[bytes], steps: list[tuple[str, float, float]], tmp_path: Path
) -> None:
    with zipfile.ZipFile(io.BytesIO(corpus[1])) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = next(name for name in members if name.endswith("data.pkl"))
    starts = [place for _, _, place in pickletools.genops(members[name])]
    parts = [
        members[name][start:end] for start, end in zip(starts, [*starts[1:], len(members[name])], strict=True)
    ]
    for kind, first, second in steps:
        i, j = at(parts, first), at(parts, second)
        if kind == "delete" and len(parts) > 1:
            del parts[i]
        elif kind == "repeat":
            parts[i:i] = parts[i : i + 20] * 20
        else:
            parts[i], parts[j] = parts[j], parts[i]
    check_answer(zip_of({**members, name: b"".join(parts)}), tmp_path)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from((b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06")),
            PLACES,
            st.integers(4, 44),
            st.sampled_from((0, 1, 8, 0x7FFF, 0xFFFF, 2**31 - 1, 2**32 - 1)) | st.integers(0, 5000),
            st.sampled_from((2, 4)),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_zip_headers_of_other_numbers(
    corpus: list[bytes], steps: list[tuple[bytes, float, int, int, int]], tmp_path: Path
) -> None:
    data = corpus[1]
    for signature, share, offset, value, size in steps:
        headers = [match.start() for match in re.finditer(re.escape(signature), data)]
        if headers:
            place = headers[at(headers, share)] + offset
            data = data[:place] + (value % 256**size).to_bytes(size, "little") + data[place + size :]
    check_answer(data, tmp_path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(instructions=st.lists(st.sampled_from([
    b"(", b".", b"N", b"K\x02", b"]", b"}", b")", b"\x85", b"\x86", b"t", b"a", b"e", b"s", b"u", b"R", b"\x81", b"b",
    b"q\x00", b"h\x00", b"q\x01", b"h\x01", b"Q", text("storage"), text("0"), b"ctorch\nFloatStorage\n",
    b"ccollections\nOrderedDict\n", b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch._utils\n_rebuild_parameter\n",
    b"cargparse\nNamespace\n",
]), max_size=40))  # fmt: skip
def test_any_instructions_end_in_a_value_or_a_sentence(instructions: list[bytes], tmp_path: Path) -> None:
    data = zip_of_pickle(b"\x80\x02" + b"".join(instructions) + b".", _0=bytes(16))
    assert "\n" not in refusal(data, tmp_path)
