"""A trained model on disk: save, load, verify.

A snapshot is a folder:

    config.json          format and version, the model's class and constructor arguments, age groups, framing
    weights.safetensors  every variable under its path in the model
    README.md            the model card: what it was trained on, what it can and cannot do
    LICENSES.md          whose terms the weights are under
    checksums.txt        SHA-256 of the other files, as `sha256sum --check` reads them

Nothing in it is code, and nothing in it is run: the class is looked up in a fixed table.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import agetrans
from agetrans.files import save_tensors
from agetrans.groups import AgeGroups
from agetrans.startup import start_keras
from agetrans.variables import named_variables

if TYPE_CHECKING:
    from agetrans.models.generator import Generator

FORMAT = "agetrans-snapshot"
FORMAT_VERSION = 2

CONFIG, WEIGHTS, CARD, LICENSES, CHECKSUMS = (
    "config.json",
    "weights.safetensors",
    "README.md",
    "LICENSES.md",
    "checksums.txt",
)

GENERATORS = {
    "AgeTrans": "agetrans.models.agetrans",
    "AgeTransGAN": "agetrans.models.agetransgan",
}
"""The classes that a snapshot may name, and where they live."""

PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
"""What a model may compute in, and Keras' policies for it."""

# Kernels lose nothing that can be seen in half precision. Biases and scales are few, so they stay exact.
_HALF_FROM_SIZE = 1024


class SnapshotError(ValueError):
    """A snapshot cannot be found, read or written. The message is one sentence that says why and what to do."""


@dataclass(frozen=True)
class Snapshot:
    """A trained model with what is needed to use it.

    Attributes:
        generator: The model, ready to run.
        age_groups: What the columns of its labels stand for.
        framing: How a face must be framed for it: "ffhq" or "agetransgan".
        path: The folder that it came from.
    """

    generator: Generator
    age_groups: AgeGroups
    framing: str
    path: Path


@dataclass(frozen=True)
class SnapshotConfig:
    """What config.json says; see `Snapshot`."""

    model_class: str
    arguments: dict[str, Any]
    age_groups: AgeGroups
    framing: str


def find_snapshot(
    path_or_name: str | os.PathLike[str], say: Callable[[str], None] = lambda sentence: None
) -> Path:
    """The folder of a snapshot.

    Args:
        path_or_name: A folder, the name of a snapshot that ships with AgeTrans, or a checkpoint of the official
            AgeTransGAN, which is converted once and kept in the user's cache under its checksum.
        say: Is told before what takes a while.

    Raises:
        SnapshotError: There is none of these.
    """
    path = Path(path_or_name)
    if path.is_dir():
        return path
    if path.is_file():
        return _converted(path, say)
    shelves = _shelves()
    for shelf in shelves:
        if str(path_or_name) == path.name and (shelf / path.name).is_dir():
            return shelf / path.name
    names = sorted(entry.parent.name for shelf in shelves for entry in shelf.glob(f"*/{CONFIG}"))
    raise SnapshotError(
        f"There is no snapshot {str(path_or_name)!r}: give the path of a folder"
        + (
            f", or one of the names {', '.join(names)}."
            if names
            else "; none ships with this copy of AgeTrans."
        )
    )


def _converted(file: Path, say: Callable[[str], None]) -> Path:
    """The snapshot of a checkpoint: the one in the cache, or a new one."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "agetrans"
    folder = cache / f"{file.stem}-{_sha256(file)[:16]}"
    if not (folder / CONFIG).is_file():
        convert_agetransgan(file, folder, say=say)
    return folder


def convert_agetransgan(
    file: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    bounds: Sequence[int] | None = None,
    say: Callable[[str], None] = lambda sentence: None,
) -> Path:
    """Makes a snapshot of a checkpoint of the official AgeTransGAN, without rounding.

    Args:
        file: The checkpoint, see `agetrans.conversion.agetransgan.load`.
        folder: Where to write the snapshot; an older snapshot there is replaced.
        bounds: Lower bounds in years of its age groups; needed unless there are 10 or 4 of them.
        say: Is told before what takes a while.

    Returns:
        The folder.

    Raises:
        SnapshotError: The checkpoint cannot be used, or the folder is something else.
    """
    from agetrans.conversion.agetransgan_layout import read_checkpoint
    from agetrans.conversion.pickled import CheckpointError

    file = Path(file)
    _check_place(Path(folder))
    try:
        layout, _ = read_checkpoint(file)
    except CheckpointError as error:
        raise SnapshotError(str(error)) from None
    try:
        age_groups = AgeGroups.of(layout.groups if bounds is None else bounds)
    except ValueError as error:
        raise SnapshotError(f"{file} has {layout.groups} age groups: {error}") from None
    if age_groups.count != layout.groups:
        raise SnapshotError(
            f"{file} has {layout.groups} age groups, and the bounds are of {age_groups.count}."
        )
    say(f"Converting {file.name} to the snapshot {folder} ...")
    start_keras()
    from agetrans.conversion import agetransgan

    generator = agetransgan.load(file)
    facts = {"name": file.name, "checksum": _sha256(file), "size": layout.size, "groups": layout.groups}
    card = agetransgan.CARD.format(**facts)
    framing, licenses = agetransgan.FRAMING, agetransgan.LICENSES
    return save_snapshot(
        generator, age_groups, folder, card=card, licenses=licenses, framing=framing, half=False
    )


def _shelves() -> tuple[Path, ...]:
    """Where named snapshots lie: in a clone beside the package, in an installation inside of it."""
    package = Path(agetrans.__file__).parent
    return package.parent / "snapshot", package / "snapshots"


def read_config(path_or_name: str | os.PathLike[str]) -> SnapshotConfig:
    """Reads and checks config.json alone: quick, and without Keras.

    Raises:
        SnapshotError: No such snapshot, not one of ours, or of another version.
    """
    folder = find_snapshot(path_or_name)
    try:
        content = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SnapshotError(f"{folder} is not a snapshot of AgeTrans: it has no {CONFIG}.") from None
    except (OSError, ValueError) as error:
        raise SnapshotError(f"{folder / CONFIG} cannot be read ({error}): copy the snapshot again.") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise SnapshotError(f"{folder} is not a snapshot of AgeTrans: its {CONFIG} is another program's.")
    version = content.get("format_version")
    if version != FORMAT_VERSION:
        raise SnapshotError(
            f"{folder} is of snapshot format {version}, and this agetrans {agetrans.__version__} reads format "
            f"{FORMAT_VERSION}: use a snapshot and a release of agetrans that belong together."
        )
    try:
        bounds, centres = (content["age_groups"][key] for key in ("lower_bounds", "centres"))
        config = SnapshotConfig(
            model_class=str(content["model"]["class"]),
            arguments=dict(content["model"]["arguments"]),
            age_groups=AgeGroups(tuple(map(int, bounds)), tuple(map(float, centres))),
            framing=str(content["framing"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise SnapshotError(f"{folder / CONFIG} is incomplete or wrong: {error!r}.") from None
    if config.model_class not in GENERATORS:
        raise SnapshotError(
            f"{folder} holds a model of class {config.model_class!r}, which agetrans {agetrans.__version__} does not "
            f"know; it knows {' and '.join(GENERATORS)}."
        )
    return config


def load_snapshot(path_or_name: str | os.PathLike[str], *, precision: str = "float32") -> Snapshot:
    """Loads a trained model; strict about every name, shape and checksum.

    Args:
        path_or_name: A folder, the name of a snapshot that ships with AgeTrans, such as "agetrans_10group", or a
            checkpoint of the official AgeTransGAN, see `find_snapshot`.
        precision: What the model computes in: "float32", or "bfloat16", which is faster where the processor has it and
            less exact. Weights and pictures stay float32.

    Raises:
        SnapshotError: No such snapshot, not one of ours, of another version, truncated or otherwise damaged, or its
            weights do not fit its model.
    """
    folder = find_snapshot(path_or_name)
    config = read_config(folder)
    _verify_checksums(folder)
    weights = _read_weights(folder / WEIGHTS)
    generator = _construct(config, folder, precision)
    _assign(generator, weights, folder)
    return Snapshot(generator, config.age_groups, config.framing, folder)


def save_snapshot(
    generator: Generator,
    age_groups: AgeGroups,
    path: str | os.PathLike[str],
    *,
    card: str,
    licenses: str,
    framing: str = "ffhq",
    half: bool = True,
) -> Path:
    """Writes a snapshot, whole or not at all; an older snapshot at the same place is replaced.

    Args:
        generator: One of `GENERATORS`, built.
        age_groups: What the columns of its labels stand for.
        path: The folder to write.
        card: The model card, Markdown.
        licenses: Whose terms the weights are under, Markdown.
        framing: How faces were framed in training: "ffhq" or "agetransgan".
        half: Store large kernels in half precision.

    Returns:
        The folder.

    Raises:
        SnapshotError: The folder exists and is not a snapshot, or the model cannot be restored from what would be
            written.
    """
    target = Path(path)
    model_class = type(generator).__name__
    if model_class not in GENERATORS:
        raise SnapshotError(f"A snapshot holds {' or '.join(GENERATORS)}. Received: {model_class}")
    if generator.groups != age_groups.count:
        raise SnapshotError(
            f"The model has labels of {generator.groups} groups and age_groups has {age_groups.count}."
        )
    _check_place(target)
    config = SnapshotConfig(model_class, _arguments(generator), age_groups, framing)
    weights = {name: _stored(value, half) for name, value in _named_values(generator).items()}

    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as workshop:
        fresh = Path(workshop) / "fresh"
        fresh.mkdir()
        _write(fresh, config, weights, card, licenses)
        load_snapshot(fresh)
        if target.exists():
            # Two renames: a reader finds the old snapshot or the new one, and for an instant none, never a mixture.
            target.rename(Path(workshop) / "old")
        fresh.rename(target)
    return target


def _check_place(folder: Path) -> None:
    """Refuses a folder that a snapshot may not replace."""
    if folder.exists() and not _is_replaceable(folder):
        raise SnapshotError(
            f"{folder} exists and is not a snapshot, or holds more than one: choose another place, or remove it first."
        )


def _write(
    folder: Path, config: SnapshotConfig, weights: dict[str, np.ndarray], card: str, licenses: str
) -> None:
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "made_by": f"agetrans {agetrans.__version__}",
        "model": {"class": config.model_class, "arguments": config.arguments},
        "age_groups": {
            "lower_bounds": list(config.age_groups.lower_bounds),
            "centres": list(config.age_groups.centres),
        },
        "framing": config.framing,
    }
    (folder / CONFIG).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    save_tensors(folder / WEIGHTS, weights, {"format": FORMAT})
    (folder / CARD).write_text(card, encoding="utf-8")
    (folder / LICENSES).write_text(licenses, encoding="utf-8")
    lines = [f"{_sha256(folder / name)}  {name}\n" for name in (CONFIG, WEIGHTS, CARD, LICENSES)]
    (folder / CHECKSUMS).write_text("".join(lines), encoding="utf-8")


def _is_replaceable(folder: Path) -> bool:
    """Whether nothing but a snapshot would be lost with this folder."""
    if not folder.is_dir():
        return False
    names = {entry.name for entry in folder.iterdir()}
    return not names or (CONFIG in names and names <= {CONFIG, WEIGHTS, CARD, LICENSES, CHECKSUMS})


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _verify_checksums(folder: Path) -> None:
    expected = {}
    for name in (CHECKSUMS, WEIGHTS):
        if not (folder / name).is_file():
            raise SnapshotError(f"{folder} is incomplete, {name} is missing: copy the whole folder again.")
    for line in (folder / CHECKSUMS).read_text(encoding="utf-8", errors="replace").splitlines():
        digest, _, name = line.partition("  ")
        expected[name] = digest
    # Editing the card of a snapshot does it no harm; its licence travels unchanged.
    for name in (CONFIG, WEIGHTS, LICENSES):
        if not (folder / name).is_file():
            raise SnapshotError(f"{folder} is incomplete, {name} is missing: copy the whole folder again.")
        if _sha256(folder / name) != expected.get(name):
            raise SnapshotError(
                f"{folder / name} is truncated or was changed, its checksum differs from the one in {CHECKSUMS}: copy "
                "the snapshot again."
            )


def _read_weights(path: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise SnapshotError(f"{path} cannot be read ({error}): copy the snapshot again.") from None


def _constructor_arguments(model_class: type) -> list[str]:
    parameters = list(inspect.signature(model_class).parameters.values())
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [parameter.name for parameter in parameters if parameter.kind in kinds]


def _arguments(generator: Generator) -> dict[str, Any]:
    """The generator's own constructor arguments, without those of every Keras layer."""
    config = generator.get_config()
    return {name: config[name] for name in _constructor_arguments(type(generator)) if name in config}


def _construct(config: SnapshotConfig, folder: Path, precision: str) -> Generator:
    if precision not in PRECISIONS:
        raise ValueError(f"Precisions are {' and '.join(PRECISIONS)}. Received: precision={precision!r}")
    start_keras()
    model_class = getattr(importlib.import_module(GENERATORS[config.model_class]), config.model_class)
    unknown = sorted(set(config.arguments) - set(_constructor_arguments(model_class)))
    if unknown:
        raise SnapshotError(
            f"{folder / CONFIG} gives {config.model_class} arguments that it does not take: {', '.join(unknown)}."
        )
    try:
        generator = model_class(**config.arguments, dtype=PRECISIONS[precision])
    except (TypeError, ValueError) as error:
        raise SnapshotError(f"{folder / CONFIG} describes no {config.model_class}: {error}") from None
    if generator.groups != config.age_groups.count:
        raise SnapshotError(
            f"{folder / CONFIG} contradicts itself: a model of {generator.groups} groups, and names for "
            f"{config.age_groups.count}."
        )
    return generator


def _named_values(generator: Generator) -> dict[str, np.ndarray]:
    from keras import ops

    return {
        name: ops.convert_to_numpy(variable.value) for name, variable in named_variables(generator).items()
    }


def _stored(value: np.ndarray, half: bool) -> np.ndarray:
    if half and value.ndim >= 2 and value.size >= _HALF_FROM_SIZE:
        with np.errstate(over="ignore"):
            rounded = value.astype(np.float16)
        if np.isfinite(rounded).all():
            return rounded.copy(order="C")
    return value.copy(order="C")


def _assign(generator: Generator, weights: dict[str, np.ndarray], folder: Path) -> None:
    variables = named_variables(generator)
    complaints = []
    for what, names in (
        ("missing", variables.keys() - weights.keys()),
        ("unknown", weights.keys() - variables.keys()),
        (
            "of another shape",
            {n for n in variables.keys() & weights.keys() if tuple(variables[n].shape) != weights[n].shape},
        ),
    ):
        if names:
            complaints.append(
                f"{len(names)} {what} ({', '.join(sorted(names)[:3])}{', ...' * (len(names) > 3)})"
            )
    if complaints:
        raise SnapshotError(
            f"The weights of {folder} do not fit its model {type(generator).__name__}: {'; '.join(complaints)}."
        )
    for name, variable in variables.items():
        variable.assign(weights[name].astype(variable.dtype))
