"""The PyTorch state dictionaries of MTLFace, DAL and IEFP to our recognisers, by name and shape.

Linear layers behind a flattened map, and MTLFace's pooled features, are put in the order of channels-last maps.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from agetrans.conversion.pickled import CheckpointError
from agetrans.conversion.torch_files import read_torch_file
from agetrans.models.afd import PYRAMID_GRIDS
from agetrans.recognition.encoders import DALEncoder, FaceEncoder, IEFPEncoder, MTLFaceEncoder

Named = Iterator[tuple[str, Any, str]]
"""Official names, the variable that takes the tensor, and how its axes are ordered."""

_IGNORED = ("num_batches_tracked",)


def load(recogniser: FaceEncoder, path: str | os.PathLike[str], branch: str = "backbone_id") -> list[str]:
    """Gives a recogniser the weights of an official checkpoint.

    Args:
        recogniser: `MTLFaceEncoder`, `DALEncoder` or `IEFPEncoder` of the file's size and widths.
        path: A file of `torch.save`: a state dictionary, alone or below "state_dict" or "model".
        branch: IEFP's: "backbone_id" or "backbone_ae".

    Returns:
        Names in the file that the recogniser has no place for, such as class matrices and decoders.

    Raises:
        CheckpointError: The file cannot be read, or a weight is missing or of another shape. Nothing is changed then.
    """
    value = read_torch_file(path)
    for name in ("state_dict", "model"):
        if isinstance(value, dict) and isinstance(value.get(name), dict):
            value = value[name]
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} holds no state dictionary.")
    return load_state(recogniser, {str(key): array for key, array in value.items()}, branch)


def load_state(recogniser: FaceEncoder, state: Mapping[str, Any], branch: str = "backbone_id") -> list[str]:
    """As `load`, from a state dictionary; a leading `module.` of its names is ignored."""
    state = {name.removeprefix("module."): array for name, array in state.items()}
    taken, values = set(), []
    for name, variable, order in _names(recogniser, state, branch):
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


def _names(recogniser: FaceEncoder, state: Mapping[str, Any], branch: str) -> Named:
    if isinstance(recogniser, MTLFaceEncoder):
        return _mtlface(recogniser, "encoder." if "encoder.input_layer.0.weight" in state else "", state)
    if isinstance(recogniser, IEFPEncoder):
        return _iefp(recogniser, branch)
    if isinstance(recogniser, DALEncoder):
        return _dal(recogniser)
    raise CheckpointError(f"There is no official checkpoint of a {type(recogniser).__name__}.")


def _norm(prefix: str, layer: Any) -> Named:
    if layer.scale:
        yield f"{prefix}.weight", layer.gamma, "as is"
    yield f"{prefix}.bias", layer.beta, "as is"
    yield f"{prefix}.running_mean", layer.moving_mean, "as is"
    yield f"{prefix}.running_var", layer.moving_variance, "as is"


def _linear(prefix: str, layer: Any, order: str = "linear") -> Named:
    yield f"{prefix}.weight", layer.kernel, order
    if layer.use_bias:
        yield f"{prefix}.bias", layer.bias, "as is"


def _conv(prefix: str, layer: Any) -> Named:
    yield f"{prefix}.weight", layer.conv.kernel, "conv"
    if layer.conv.use_bias:
        yield f"{prefix}.bias", layer.conv.bias, "as is"


def _mtlface(recogniser: MTLFaceEncoder, prefix: str, state: Mapping[str, Any]) -> Named:
    backbone, decomposition = recogniser.backbone, recogniser.decomposition
    yield from _conv(f"{prefix}input_layer.0", backbone.stem)
    yield from _norm(f"{prefix}input_layer.1", backbone.stem_norm)
    yield f"{prefix}input_layer.2.weight", backbone.stem_slope.alpha, "as is"
    for level, blocks in enumerate(backbone.levels, 1):
        for number, unit in enumerate(blocks):
            place = f"{prefix}block{level}.{number}"
            names = ("res_layer.0", "res_layer.1", "res_layer.2", "res_layer.3", "res_layer.4", "res_layer.5")
            yield from _unit(place, unit, names, "shortcut_layer")
    yield from _norm(f"{prefix}output_layer.0", recogniser.head.norm)
    yield from _linear(f"{prefix}output_layer.3", recogniser.head.linear, "map")
    yield from _norm(f"{prefix}output_layer.4", recogniser.head.last_norm)
    yield f"{prefix}fsm.spatial.0.weight", decomposition.spatial.conv.kernel, "conv"
    yield from _norm(f"{prefix}fsm.spatial.1", decomposition.spatial_norm)
    yield f"{prefix}fsm.channel.0.weight", decomposition.squeeze.kernel, "pyramid"
    yield f"{prefix}fsm.channel.2.weight", decomposition.excite.kernel, "linear"
    yield from _norm(f"{prefix}fsm.channel.3", decomposition.channel_norm)
    if "age_estimator.age_output_layer.0.weight" in state:
        head = recogniser.age_head
        yield from _norm("age_estimator.age_output_layer.0", head.norm)
        yield from _linear("age_estimator.age_output_layer.2", head.hidden, "map")
        yield from _linear("age_estimator.age_output_layer.4", head.years)
        yield from _linear("age_estimator.group_output_layer", head.group)


def _unit(place: str, unit: Any, names: tuple[str, ...], shortcut: str) -> Named:
    yield from _norm(f"{place}.{names[0]}", unit.norm1)
    yield from _conv(f"{place}.{names[1]}", unit.conv1)
    yield from _norm(f"{place}.{names[2]}", unit.norm2)
    yield f"{place}.{names[3]}.weight", unit.slope.alpha, "as is"
    yield from _conv(f"{place}.{names[4]}", unit.conv2)
    yield from _norm(f"{place}.{names[5]}", unit.norm3)
    if unit.shortcut is not None:
        yield from _conv(f"{place}.{shortcut}.0", unit.shortcut)
        yield from _norm(f"{place}.{shortcut}.1", unit.shortcut_norm)


def _iefp(recogniser: IEFPEncoder, branch: str) -> Named:
    backbone = recogniser.backbone
    yield from _conv(f"{branch}.conv1", backbone.stem)
    yield from _norm(f"{branch}.bn1", backbone.stem_norm)
    yield f"{branch}.prelu.weight", backbone.stem_slope.alpha, "as is"
    for level, blocks in enumerate(backbone.levels, 1):
        for number, unit in enumerate(blocks):
            names = ("bn1", "conv1", "bn2", "prelu", "conv2", "bn3")
            yield from _unit(f"{branch}.layer{level}.{number}", unit, names, "downsample")
    yield from _norm(f"{branch}.bn2", recogniser.head.norm)
    yield from _linear(f"{branch}.fc", recogniser.head.linear, "map")
    yield from _norm(f"{branch}.features", recogniser.head.last_norm)
    for number, (norm, linear) in enumerate(zip(recogniser.norms, recogniser.linears, strict=True)):
        yield from _norm(f"{branch}.spu.seq.{3 * number}", norm)
        yield from _linear(f"{branch}.spu.seq.{3 * number + 2}", linear)


def _dal(recogniser: DALEncoder) -> Named:
    backbone, place = recogniser.backbone, 0
    for number, entry in enumerate(backbone.entries):
        yield from _norm(f"backbone.seq.{place}.0", entry.norm)
        yield from _conv(f"backbone.seq.{place}.1", entry.conv)
        place += 1
        if not number:
            continue
        place += 1  # the pooling
        level = backbone.blocks[number - 1]
        for first in range(0, len(level), 3):
            for part, piece in enumerate(level[first : first + 3]):
                yield from _norm(f"backbone.seq.{place}.seq.{3 * part}", piece.norm)
                yield from _conv(f"backbone.seq.{place}.seq.{3 * part + 1}", piece.conv)
            place += 1
    yield from _norm(f"backbone.seq.{place}", recogniser.head.norm)
    yield from _linear(f"backbone.seq.{place + 3}", recogniser.head.linear, "map")
    yield from _norm(f"backbone.seq.{place + 4}", recogniser.head.last_norm)
    for name, layer in zip(("0", "2"), recogniser.residual, strict=True):
        yield from _linear(f"RFM.seq.{name}", layer)
