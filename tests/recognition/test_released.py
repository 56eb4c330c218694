"""MTLFace's released ageing network against one written here in PyTorch from its description, masks and all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agetrans.cli.console import CommandError
from agetrans.conversion.pickled import CheckpointError
from agetrans.conversion.recognition import load_synthesis_state
from agetrans.recognition import session
from agetrans.recognition.encoders import BaselineEncoder
from agetrans.recognition.session import load_synthesis, make_synthesis, save_recogniser
from agetrans.recognition.settings import preset
from tests.models.agetrans_reference import numbers

torch = pytest.importorskip("torch", reason="PyTorch is the reference")
functional = torch.nn.functional
SIZE, WIDTH, FEATURES, GROUPS = 48, 16, 6, 3
STYLES = 10
SETTINGS = replace(
    preset("mtlface", "authors"),
    size=(SIZE, SIZE),
    width=WIDTH,
    features=FEATURES,
    groups=GROUPS,
    package=True,
)
UNITS = {1: 32, 2: 16, 3: 8}
TOTALS = {1: 88, 2: 44, 3: 22}
STARTS = {1: (0, 28, 56), 2: (0, 14, 28), 3: (0, 7, 14)}


def shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes, as the released file has them, at these widths."""
    wide, result = 8 * WIDTH, {}

    def conv(name: str, filters: int, inputs: int, kernel: int) -> None:
        result[f"{name}.weight"], result[f"{name}.bias"] = (filters, inputs, kernel, kernel), (filters,)

    for style in range(STYLES):
        count = 1 if style < 3 else 2 if style < 7 else 4
        for place in range(count):
            conv(f"encoder.styles.{style}.convs.{2 * place}", FEATURES, FEATURES if place else wide, 3)
        result[f"encoder.styles.{style}.linear.weight"] = (FEATURES, FEATURES)
        result[f"encoder.styles.{style}.linear.bias"] = (FEATURES,)
    for number, total in TOTALS.items():
        channels, half = wide >> (number - 1), wide >> number
        place = f"encoder.aging{number}"
        conv(f"{place}.conv1.0", total, channels, 1)
        for block in range(4):
            for part in (1, 2):
                conv(f"{place}.transform.{block}.conv{part}.0", total, total, 3)
        conv(f"{place}.conv2.0", channels, total, 1)
        place = f"encoder.upsample{number}"
        conv(f"{place}.conv.2", half, channels + half, 3)
        for part in ("conv.5", "conv2.2", "conv2.5"):
            conv(f"{place}.{part}", half, half, 3)
        conv(f"{place}.shortcut", half, channels, 1)
    conv("encoder.latlayer1", wide, wide // 2, 3)
    conv("encoder.latlayer2", wide, wide // 8, 3)
    result["decoder.latent_avg"] = (1, 1, FEATURES)
    result["decoder.decoder.input.input"] = (1, FEATURES, 4, 4)
    styled = ["conv1", *(f"convs.{n}" for n in range(8))]
    images = ["to_rgb1", *(f"to_rgbs.{n}" for n in range(4))]
    for name in (*styled, *images):
        filters, kernel = (3, 1) if name in images else (FEATURES, 3)
        place = f"decoder.decoder.{name}"
        result[f"{place}.conv.weight"] = (1, filters, FEATURES, kernel, kernel)
        result[f"{place}.conv.modulation.weight"] = (FEATURES, FEATURES)
        result[f"{place}.conv.modulation.bias"] = (FEATURES,)
        if name in images:
            result[f"{place}.bias"] = (1, 3, 1, 1)
        else:
            result[f"{place}.noise.weight"] = (1,)
            result[f"{place}.activate.bias"] = (FEATURES,)
    return result


def leaky(x: Any) -> Any:
    return functional.leaky_relu(x, 0.2)


class Reference:
    """The network on a state dictionary."""

    def __init__(self, state: dict[str, Any]) -> None:
        self.state = state

    def conv(self, name: str, x: Any, stride: int = 1) -> Any:
        weight = self.state[f"{name}.weight"]
        return functional.conv2d(x, weight, self.state[f"{name}.bias"], stride, weight.shape[-1] // 2)

    def ageing(self, number: int, x: Any, group: int) -> Any:
        place, mask = f"encoder.aging{number}", torch.zeros(1, TOTALS[number], 1, 1)
        mask[:, STARTS[number][group] : STARTS[number][group] + UNITS[number]] = 1
        x = mask * leaky(functional.instance_norm(self.conv(f"{place}.conv1.0", x)))
        for block in range(4):
            first, second = (f"{place}.transform.{block}.conv{part}.0" for part in (1, 2))
            y = leaky(mask * functional.instance_norm(self.conv(first, x)))
            x = leaky(x + mask * functional.instance_norm(self.conv(second, y)))
        return self.conv(f"{place}.conv2.0", x)

    def stage(self, number: int, x: Any, skip: Any) -> Any:
        place = f"encoder.upsample{number}"
        x = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)

        def twice(y: Any, part: str) -> Any:
            for index in (2, 5):
                y = self.conv(f"{place}.{part}.{index}", leaky(functional.instance_norm(y)))
            return y

        y = twice(torch.cat([x, skip], 1), "conv") + self.conv(f"{place}.shortcut", x)
        return y + twice(y, "conv2")

    def styles(self, identity: Any, maps: list[Any], group: int) -> Any:
        coarse = self.stage(1, self.ageing(1, identity, group), maps[3])
        middle = self.stage(2, self.ageing(2, coarse, group), maps[2])
        fine = self.stage(3, self.ageing(3, middle, group), maps[1])
        rows = []
        for style in range(STYLES):
            x, count = identity, 1
            if style >= 3:
                x, count = self.conv("encoder.latlayer1", coarse), 2
            if style >= 7:
                x, count = self.conv("encoder.latlayer2", fine), 4
            for place in range(count):
                x = leaky(self.conv(f"encoder.styles.{style}.convs.{2 * place}", x, 2))
            name = f"encoder.styles.{style}.linear"
            rows.append(
                functional.linear(x.mean((2, 3)), self.state[f"{name}.weight"], self.state[f"{name}.bias"])
            )
        return torch.stack(rows, 1) + self.state["decoder.latent_avg"]

    def modulated(self, name: str, x: Any, w: Any, up: bool, demodulate: bool) -> Any:
        weight = self.state[f"{name}.weight"][0]
        style = functional.linear(
            w, self.state[f"{name}.modulation.weight"] / FEATURES**0.5, self.state[f"{name}.modulation.bias"]
        )
        rows = []
        for row, s in zip(x, style, strict=True):
            kernel = weight / (FEATURES * weight.shape[-1] ** 2) ** 0.5 * s[None, :, None, None]
            if demodulate:
                kernel = kernel / (kernel.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
            if up:
                y = functional.conv_transpose2d(row[None], kernel.transpose(0, 1), stride=2)
                rows.append(filtered(functional.pad(y, (1, 1, 1, 1))))
            else:
                rows.append(functional.conv2d(row[None], kernel, padding=weight.shape[-1] // 2))
        return torch.cat(rows)

    def styled(self, name: str, x: Any, w: Any, up: bool, noise: Any) -> Any:
        x = self.modulated(f"{name}.conv", x, w, up, True) + self.state[f"{name}.noise.weight"] * noise
        return 2**0.5 * leaky(x + self.state[f"{name}.activate.bias"][None, :, None, None])

    def image(self, name: str, x: Any, w: Any) -> Any:
        return self.modulated(f"{name}.conv", x, w, False, False) + self.state[f"{name}.bias"]

    def paint(self, identity: Any, maps: list[Any], group: int, noise: list[Any]) -> Any:
        w, place = self.styles(identity, maps, group), "decoder.decoder"
        x = self.state[f"{place}.input.input"].repeat(len(w), 1, 1, 1)
        x = self.styled(f"{place}.conv1", x, w[:, 0], False, noise[0])
        picture = self.image(f"{place}.to_rgb1", x, w[:, 1])
        for block in range(4):
            first = 2 * block
            x = self.styled(f"{place}.convs.{first}", x, w[:, first + 1], True, noise[first + 1])
            x = self.styled(f"{place}.convs.{first + 1}", x, w[:, first + 2], False, noise[first + 2])
            above = torch.zeros(len(w), 3, 2 * picture.shape[2], 2 * picture.shape[3])
            above[:, :, ::2, ::2] = picture
            picture = filtered(functional.pad(above, (2, 1, 2, 1)))
            picture = picture + self.image(f"{place}.to_rgbs.{block}", x, w[:, first + 3])
        return functional.interpolate(picture, size=SIZE, mode="bilinear", align_corners=True).clamp(-1, 1)


def filtered(x: Any) -> Any:
    """(1, 3, 3, 1) along both axes, with the sum 4."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    kernel = (4 * torch.outer(taps, taps))[None, None].repeat(x.shape[1], 1, 1, 1)
    return functional.conv2d(x, kernel, groups=x.shape[1])


@pytest.fixture(scope="module")
def state() -> dict[str, Any]:
    torch.manual_seed(0)
    result = {}
    for name, shape in shapes().items():
        fan_in = int(np.prod(shape[1:])) if len(shape) > 1 and name.startswith("encoder") else 4
        result[name] = torch.randn(shape) / fan_in**0.5
    return result


@pytest.fixture(scope="module")
def converted(state: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Written and read again, as the command and its users do."""
    synthesis = make_synthesis(SETTINGS)
    assert load_synthesis_state(synthesis, arrays(state)) == set(shapes())
    folder = tmp_path_factory.mktemp("run")
    save_recogniser(BaselineEncoder("ir18", (16, 16), 1, 1), SETTINGS, folder, synthesis)
    for variable in synthesis.weights:
        variable.assign(np.zeros(variable.shape))
    with pytest.MonkeyPatch.context() as patch:
        # The same network, emptied: making another one takes longer than all that is tested here.
        patch.setattr(session, "make_synthesis", lambda settings: synthesis if settings == SETTINGS else None)
        return load_synthesis(folder)


def arrays(state: dict[str, Any]) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in state.items()}


def inputs() -> tuple[np.ndarray, list[np.ndarray]]:
    random = np.random.RandomState(0)
    sides = [(SIZE >> level, WIDTH * channels) for level, channels in enumerate((1, 1, 2, 4, 8))]
    maps = [random.standard_normal((2, side, side, channels)).astype("f") for side, channels in sides]
    return random.standard_normal(maps[-1].shape).astype("f"), maps


def channels_first(x: np.ndarray) -> Any:
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))


@pytest.mark.parametrize("group", range(GROUPS))
def test_matches_the_masked_network(state: dict[str, Any], converted: Any, group: int) -> None:
    identity, maps = inputs()
    random = np.random.RandomState(group)
    noise = [random.standard_normal((1, side, side, 1)).astype("f") for side in converted.noise_sides]
    with torch.no_grad():
        expected = Reference(state).paint(
            channels_first(identity),
            [channels_first(m) for m in maps],
            group,
            [channels_first(n) for n in noise],
        )
    expected = expected.numpy().transpose(0, 2, 3, 1)
    assert 0.1 < np.abs(expected).mean() < 0.9  # neither empty nor clipped everywhere
    painted = numbers(converted(identity, maps, group=group, noise=noise))
    np.testing.assert_allclose(painted, expected, atol=2e-4)
    assert painted.shape == (2, SIZE, SIZE, 3)


def test_the_same_face_gives_the_same_picture_and_another_group_another(converted: Any) -> None:
    identity, maps = inputs()
    first = numbers(converted(identity, maps, group=0))
    np.testing.assert_array_equal(first, numbers(converted(identity, maps, group=0)))
    assert np.abs(first - numbers(converted(identity, maps, group=2))).mean() > 0.01
    for group in (-1, GROUPS):
        with pytest.raises(ValueError, match="Groups are 0 to 2"):
            converted(identity, maps, group=group)


@pytest.mark.parametrize(
    "change",
    [
        lambda array: None,
        lambda array: array[:-1],
        lambda array: array.swapaxes(0, 1),
    ],
)
def test_a_checkpoint_that_does_not_fit_changes_nothing(
    state: dict[str, Any], converted: Any, change: Callable[[np.ndarray], Any]
) -> None:
    name = "encoder.upsample2.shortcut.weight"
    before = numbers(converted.average.value).copy()
    other = {key: value + 1 for key, value in arrays(state).items()}
    with pytest.raises(CheckpointError, match=r"upsample2\.shortcut\.weight"):
        load_synthesis_state(converted, {**other, name: change(other[name])})
    np.testing.assert_array_equal(before, numbers(converted.average.value))


def test_other_runs_have_no_ageing_network(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="a run of --train_fas has one"):
        load_synthesis(tmp_path)
