"""The state dictionary of AgeTransGAN's age estimator to the weights of `AgeResNet50`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from agetrans.models.age_resnet50 import AgeResNet50, NormalizedConv

_UNUSED_HEADS = ("classifier.", "classgage.", "fc.")
"""Identities of VGGFace2 and two heads that nothing reads."""


def load_state(estimator: AgeResNet50, state: Mapping[str, np.ndarray]) -> None:
    """Gives the estimator the weights of an official state dictionary.

    Args:
        estimator: The model.
        state: Official names to arrays; a `module.` before a name is ignored, and so are the heads that nothing reads.

    Raises:
        ValueError: A weight is missing, unknown or of another shape.
    """
    state = {name.removeprefix("module."): np.asarray(array) for name, array in state.items()}
    variables = dict(_weights(estimator))
    missing = sorted(variables.keys() - state.keys())
    unknown = sorted(name for name in state.keys() - variables.keys() if not _is_unused(name))
    if missing or unknown:
        raise ValueError(
            "This is not the state of AgeTransGAN's age estimator: "
            f"missing {_some(missing)}, unknown {_some(unknown)}."
        )
    arrays = {name: _channels_last(name, state[name], variable) for name, variable in variables.items()}
    for name, variable in variables.items():
        variable.assign(arrays[name])


def _is_unused(name: str) -> bool:
    return name.startswith(_UNUSED_HEADS) or name.endswith(".num_batches_tracked")


def _some(names: list[str]) -> str:
    return f"{len(names)} ({', '.join(names[:3])}{', ...' * (len(names) > 3)})" if names else "none"


def _channels_last(name: str, array: np.ndarray, variable: Any) -> np.ndarray:
    """PyTorch's (outputs, inputs, k, k) to (k, k, inputs, outputs); the head's 1x1 convolution to a matrix."""
    if array.ndim == 4:
        array = array.transpose(2, 3, 1, 0)
        if len(variable.shape) == 2 and array.shape[:2] == (1, 1):
            array = array[0, 0]
    if array.shape != tuple(variable.shape):
        raise ValueError(
            f"{name} is of shape {array.shape} (channels last) and AgeResNet50 needs {tuple(variable.shape)}."
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


def _conv(name: str, layer: NormalizedConv) -> Iterator[tuple[str, Any]]:
    yield f"{name}.weight", layer.conv.kernel
    yield f"{name}_bn.weight", layer.norm.gamma
    yield f"{name}_bn.bias", layer.norm.beta
    yield f"{name}_bn.running_mean", layer.norm.moving_mean
    yield f"{name}_bn.running_var", layer.norm.moving_variance
