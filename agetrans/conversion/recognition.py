"""The PyTorch state dictionaries of MTLFace, DAL and IEFP to our recognisers, by name and shape.

Linear layers behind a flattened map, and MTLFace's pooled features, are put in the order of channels-last maps.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from agetrans.conversion.pickled import CheckpointError
from agetrans.conversion.recognition_names import AGE_HEAD, recogniser_names, synthesis_names
from agetrans.conversion.torch_files import read_torch_file
from agetrans.models.afd import PYRAMID_GRIDS
from agetrans.recognition import backbones
from agetrans.recognition.ages import CUTS
from agetrans.recognition.encoders import FaceEncoder, MTLFaceEncoder
from agetrans.recognition.released import ReleasedSynthesis
from agetrans.recognition.session import make_synthesis
from agetrans.recognition.settings import RecognitionSettings, preset

_IGNORED = ("num_batches_tracked",)
_UNREAD = re.compile(
    r"_unit_mapping$|^age_estimator\.expectation$|\.kernel$|\.noises\.|^decoder\.decoder\.style\."
)
"""What the released package holds and does not need: masks, constants, filters, noise maps, a mapping network."""
BRANCHES = {"identity": "backbone_id", "age": "backbone_ae"}
"""IEFP's branches, and how its names begin."""


def convert(
    kind: str, path: str | os.PathLike[str], out: Path, branch: str = "identity"
) -> tuple[RecognitionSettings, list[str]]:
    """Writes an official checkpoint as the folder of a run, which `--model`, `--start` and `--age_branch` take.

    Args:
        kind: "mtlface" (training code or released package), "dal" or "iefp".
        path: A file of `torch.save`.
        out: Folder to write: `settings.json`, `generator.weights.h5`, and of MTLFace's released package
            `synthesis.weights.h5`, which `agetrans.recognition.ageing.FaceAgeing` reads.
        branch: Of IEFP, one of `BRANCHES`.

    Returns:
        What the network is, and names in the file that it has no place for.

    Raises:
        CheckpointError: The file cannot be read, or is of another network. Nothing is written then.
    """
    from agetrans.recognition.session import save_recogniser
    from agetrans.recognition.trainers import make_encoder

    state = read_state(path)
    if kind == "iefp" and branch == "age":
        # The authors' file of the age branch alone calls it "backbone"; their program renames it as it is loaded.
        state = {re.sub(r"^backbone\.", f"{BRANCHES[branch]}.", name): array for name, array in state.items()}
    settings = read_settings(kind, state, branch)
    recogniser = make_encoder(settings)
    rest = load_state(recogniser, state, BRANCHES[branch])
    synthesis = None
    if "decoder.latent_avg" in state:
        synthesis = make_synthesis(settings)
        taken = load_synthesis_state(synthesis, state)
        rest = [name for name in rest if name not in taken and not _UNREAD.search(name)]
    save_recogniser(recogniser, settings, out, synthesis)
    return settings, rest


def read_state(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The state dictionary of a file of `torch.save`, alone or below "state_dict" or "model", without `module.`.

    Raises:
        CheckpointError: The file cannot be read, or holds none.
    """
    value = read_torch_file(path)
    for name in ("state_dict", "model"):
        if isinstance(value, dict) and isinstance(value.get(name), dict):
            value = value[name]
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} holds no state dictionary.")
    return {str(name).removeprefix("module."): array for name, array in value.items()}


def read_settings(kind: str, state: Mapping[str, Any], branch: str = "identity") -> RecognitionSettings:
    """What network a state dictionary is of: backbone, widths, size and age groups, by its names and shapes.

    Raises:
        CheckpointError: It is none of that kind.
    """
    names = {"mtlface": _mtlface_settings, "dal": _dal_settings, "iefp": _iefp_settings}
    try:
        found = names[kind](state, BRANCHES[branch])
    except (KeyError, AttributeError, IndexError) as error:
        raise CheckpointError(f"This is no checkpoint of {kind}: it lacks {error}.") from None
    values = {**vars(preset("iefp-age" if (kind, branch) == ("iefp", "age") else kind, "authors")), **found}
    return RecognitionSettings(**values)


def _mtlface_settings(state: Mapping[str, Any], _: str) -> dict[str, Any]:
    prefix = "encoder." if "encoder.input_layer.0.weight" in state else ""
    linear = state[f"{prefix}output_layer.3.weight"].shape
    family = "irse" if f"{prefix}block1.0.res_layer.6.fc1.weight" in state else "ir"
    width = state[f"{prefix}input_layer.0.weight"].shape[0]
    bottleneck = state[f"{prefix}fsm.channel.0.weight"].shape[1]
    groups = [state[name].shape[0] for name in ("age_estimator.group_output_layer.weight",) if name in state]
    return {
        "backbone": _backbone(state, rf"{re.escape(prefix)}block(\d)\.(\d+)\.", family),
        "width": width,
        "features": linear[0],
        "size": _size(linear[1], 8 * width),
        "package": bottleneck == 2 * 14 * 8 * width,
        **({"groups": _groups(groups[0])} if groups else {}),
        **({} if AGE_HEAD in state else {"age_weight": 0.0}),
    }


def _iefp_settings(state: Mapping[str, Any], branch: str) -> dict[str, Any]:
    linear = state[f"{branch}.fc.weight"].shape
    width = state[f"{branch}.conv1.weight"].shape[0]
    stages = [name for name in state if re.fullmatch(rf"{branch}\.spu\.seq\.\d+\.running_mean", name)]
    return {
        "backbone": _backbone(state, rf"{branch}\.layer(\d)\.(\d+)\.", "iresnet"),
        "width": width,
        "features": linear[0],
        "size": _size(linear[1], 8 * width),
        "purification": len(stages),
    }


def _dal_settings(state: Mapping[str, Any], _: str) -> dict[str, Any]:
    width = state["backbone.seq.0.1.weight"].shape[0]
    linears = [
        array.shape
        for name, array in state.items()
        if re.fullmatch(r"backbone\.seq\.\d+\.weight", name) and array.ndim == 2
    ]
    return {"width": width, "features": linears[0][0], "size": _size(linears[0][1], 8 * width)}


def _backbone(state: Mapping[str, Any], pattern: str, family: str) -> str:
    """The name of a backbone by the units of its levels."""
    places = {match.groups() for name in state if (match := re.match(pattern, name))}
    counts = tuple(sum(level == str(number) for level, _ in places) for number in range(1, 5))
    plain = family.removesuffix("se")
    for name, units in backbones.UNITS.items():
        if name.rstrip("0123456789") == plain and tuple(units) == counts:
            return name.replace(plain, family, 1)
    raise CheckpointError(f"There is no {family} network of {', '.join(map(str, counts))} units.")


def _size(flattened: int, channels: int) -> tuple[int, int]:
    """Height and width of the pictures by the length of the last map: square, or a little higher than wide."""
    cells, rest = divmod(flattened, channels)
    width = next(width for width in range(int(cells**0.5), 0, -1) if cells % width == 0) if cells else 0
    if rest or not width or cells // width > 2 * width:
        raise CheckpointError(f"A map of {flattened} numbers is none of {channels} channels.")
    return 16 * (cells // width), 16 * width


def _groups(count: int) -> int:
    if count not in CUTS:
        raise CheckpointError(f"There are no borders known for {count} age groups.")
    return count


def load_state(recogniser: FaceEncoder, state: Mapping[str, Any], branch: str = "backbone_id") -> list[str]:
    """Gives a recogniser the weights of an official state dictionary.

    Args:
        recogniser: `MTLFaceEncoder`, `DALEncoder` or `IEFPEncoder` of the dictionary's size and widths.
        state: See `read_state`.
        branch: IEFP's: "backbone_id" or "backbone_ae".

    Returns:
        Names that the recogniser has no place for, such as class matrices and decoders.

    Raises:
        CheckpointError: A weight is missing or of another shape. Nothing is changed then.
    """
    taken, values = set(), []
    for name, variable, order in recogniser_names(recogniser, state, branch):
        array = state.get(name)
        if not isinstance(array, np.ndarray):
            raise CheckpointError(f"The checkpoint has no {name}, which {type(recogniser).__name__} needs.")
        shape = tuple(variable.shape)
        if array.size != int(np.prod(shape)):
            raise CheckpointError(f"{name} has the shape {array.shape}, which does not fit {shape}.")
        values.append((variable, _ordered(array, order, shape, recogniser)))
        taken.add(name)
    for variable, array in values:
        variable.assign(array)
    return [name for name in state if name not in taken and not name.endswith(_IGNORED)]


def load_synthesis_state(synthesis: ReleasedSynthesis, state: Mapping[str, Any]) -> set[str]:
    """Gives the released package's ageing network its weights.

    Args:
        synthesis: Of the dictionary's size and widths.
        state: See `read_state`.

    Returns:
        Names that were taken.

    Raises:
        CheckpointError: A weight is missing or of another shape. Nothing is changed then.
    """
    values = []
    for name, variable, order in synthesis_names(synthesis):
        array, shape = state.get(name), tuple(variable.shape)
        if not isinstance(array, np.ndarray):
            raise CheckpointError(f"The checkpoint has no {name}, which the ageing network needs.")
        array = np.asarray(array, np.float32)
        if order == "conv" and array.ndim >= 4:
            array = array.reshape(array.shape[-4:]).transpose(2, 3, 1, 0)
        elif order == "linear":
            array = array.T
        elif order == "map":
            array = array.transpose(0, 2, 3, 1)
        if array.size != int(np.prod(shape)) or (order != "as is" and array.shape != shape):
            raise CheckpointError(f"{name} has the shape {state[name].shape}, which does not fit {shape}.")
        values.append((name, variable, np.ascontiguousarray(array).reshape(shape)))
    for _, variable, array in values:
        variable.assign(array)
    return {name for name, *_ in values}


def _ordered(array: np.ndarray, order: str, shape: tuple[int, ...], recogniser: FaceEncoder) -> np.ndarray:
    array = np.asarray(array, np.float32)
    if order == "conv":
        array = array.transpose(2, 3, 1, 0)
    elif order == "linear":
        array = array.reshape(array.shape[:2]).T
    elif order == "map":
        height, width = (side // 16 for side in recogniser.size)
        array = array.reshape(len(array), -1, height, width).transpose(2, 3, 1, 0)
    elif isinstance(recogniser, MTLFaceEncoder) and order == "pyramid":
        array = _pyramid(array.reshape(array.shape[:2]), 2 if recogniser.decomposition.package else 1).T
    return np.ascontiguousarray(array.reshape(shape))


def _pyramid(array: np.ndarray, poolings: int) -> np.ndarray:
    """Columns of channel-major grids, of one pooling or two, as grids of channels-last cells."""
    channels = array.shape[1] // (poolings * sum(grid * grid for grid in PYRAMID_GRIDS))
    parts, start = [], 0
    for grid in PYRAMID_GRIDS * poolings:
        count = channels * grid * grid
        part = array[:, start : start + count].reshape(len(array), channels, grid * grid)
        parts.append(part.transpose(0, 2, 1).reshape(len(array), count))
        start += count
    return np.concatenate(parts, axis=1)
