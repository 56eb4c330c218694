"""The official names of recognisers' weights, each with the variable that takes it and how its axes are ordered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agetrans.conversion.pickled import CheckpointError
from agetrans.recognition.encoders import DALEncoder, FaceEncoder, IEFPEncoder, MTLFaceEncoder
from agetrans.recognition.released import BLOCKS, ReleasedSynthesis

Named = Iterator[tuple[str, Any, str]]
"""Official names, the variable that takes the tensor, and how its axes are ordered."""
AGE_HEAD = "age_estimator.age_output_layer.0.weight"
"""MTLFace: in a dictionary that holds an age head."""


def recogniser_names(recogniser: FaceEncoder, state: Mapping[str, Any], branch: str) -> Named:
    """The official names of a recogniser's weights.

    Args:
        recogniser: `MTLFaceEncoder`, `DALEncoder` or `IEFPEncoder`.
        state: The dictionary; MTLFace's two programs differ in prefixes, and an age head may be missing.
        branch: IEFP's: "backbone_id" or "backbone_ae".

    Raises:
        CheckpointError: There is no official network of its kind.
    """
    if isinstance(recogniser, MTLFaceEncoder):
        return _mtlface(recogniser, "encoder." if "encoder.input_layer.0.weight" in state else "", state)
    if isinstance(recogniser, IEFPEncoder):
        return _iefp(recogniser, branch)
    if isinstance(recogniser, DALEncoder):
        return _dal(recogniser)
    raise CheckpointError(f"There is no official checkpoint of a {type(recogniser).__name__}.")


def _norm(prefix: str, layer: Any) -> Named:
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
            yield from _unit(place, unit, tuple(f"res_layer.{part}" for part in range(6)), "shortcut_layer")
            if unit.squeeze is not None:
                yield from _linear(f"{place}.res_layer.6.fc1", unit.squeeze.squeeze)
                yield from _linear(f"{place}.res_layer.6.fc2", unit.squeeze.excite)
    yield from _norm(f"{prefix}output_layer.0", recogniser.head.norm)
    yield from _linear(f"{prefix}output_layer.3", recogniser.head.linear, "map")
    yield from _norm(f"{prefix}output_layer.4", recogniser.head.last_norm)
    yield f"{prefix}fsm.spatial.0.weight", decomposition.spatial.conv.kernel, "conv"
    yield from _norm(f"{prefix}fsm.spatial.1", decomposition.spatial_norm)
    yield f"{prefix}fsm.channel.0.weight", decomposition.squeeze.kernel, "pyramid"
    yield f"{prefix}fsm.channel.2.weight", decomposition.excite.kernel, "linear"
    yield from _norm(f"{prefix}fsm.channel.3", decomposition.channel_norm)
    if AGE_HEAD in state:
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


def synthesis_names(network: ReleasedSynthesis) -> Named:
    """The official names of the released ageing network's weights."""
    for number, head in enumerate(network.heads):
        for index, conv in enumerate(head.convs):
            yield from _conv(f"encoder.styles.{number}.convs.{2 * index}", conv)
        yield from _linear(f"encoder.styles.{number}.linear", head.linear)
    for number, (ageing, stage) in enumerate(zip(network.ageing, network.stages, strict=True), 1):
        place = f"encoder.aging{number}"
        blocks = [f"{place}.transform.{block}.conv{conv}.0" for block in range(BLOCKS) for conv in (1, 2)]
        convs = [ageing.enter, *ageing.convs, ageing.leave]
        for name, conv in zip([f"{place}.conv1.0", *blocks, f"{place}.conv2.0"], convs, strict=True):
            yield f"{name}.weight", conv.kernel, "conv"
            yield f"{name}.bias", conv.bias, "as is"
        names = [f"encoder.upsample{number}.{part}" for part in ("conv.2", "conv.5", "conv2.2", "conv2.5")]
        for name, conv in zip(names, stage.convs, strict=True):
            yield from _conv(name, conv)
        yield from _conv(f"encoder.upsample{number}.shortcut", stage.shortcut)
    for number, conv in enumerate(network.laterals, 1):
        yield from _conv(f"encoder.latlayer{number}", conv)
    yield "decoder.latent_avg", network.average, "as is"
    place = "decoder.decoder"
    yield f"{place}.input.input", network.decoder.start, "map"
    for number, conv in enumerate(network.decoder.convs):
        name = f"{place}.convs.{number - 1}" if number else f"{place}.conv1"
        yield from _modulated(f"{name}.conv", conv.conv)
        yield f"{name}.noise.weight", conv.noise.strength, "as is"
        yield f"{name}.activate.bias", conv.bias, "as is"
    for number, image in enumerate(network.decoder.images):
        name = f"{place}.to_rgbs.{number - 1}" if number else f"{place}.to_rgb1"
        yield from _modulated(f"{name}.conv", image.conv)
        yield f"{name}.bias", image.bias, "as is"


def _modulated(name: str, conv: Any) -> Named:
    yield f"{name}.weight", conv.kernel, "conv"
    yield f"{name}.modulation.weight", conv.modulation.kernel, "linear"
    yield f"{name}.modulation.bias", conv.modulation.bias, "as is"
