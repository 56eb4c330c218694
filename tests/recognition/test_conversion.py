"""The official networks, written here in PyTorch from their description, give the same embeddings after conversion."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agetrans.conversion.pickled import CheckpointError
from agetrans.conversion.recognition import load_state, read_settings
from agetrans.recognition import backbones, session, trainers
from agetrans.recognition.session import load_recogniser
from agetrans.recognition.settings import RecognitionSettings, preset
from agetrans.recognition.trainers import make_encoder
from tests.models.agetrans_reference import numbers
from tests.test_cli import agetrans

torch = pytest.importorskip("torch", reason="PyTorch is the reference")
nn, functional = torch.nn, torch.nn.functional
SIZE, WIDTH, FEATURES = (48, 32), 4, 6


@pytest.fixture(autouse=True)
def shallow(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ir18", "iresnet18"):
        monkeypatch.setitem(backbones.UNITS, name, (2, 1, 1, 1))
    monkeypatch.setattr(backbones, "OECNN_BLOCKS", (1, 2, 1, 1))


@pytest.fixture(scope="module")
def kept() -> dict[tuple[object, ...], Any]:
    return {}


@pytest.fixture(autouse=True)
def made_once(kept: dict[tuple[object, ...], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks of like shapes are made once and come back empty: making one takes longer than all that is tested."""

    def make(settings: RecognitionSettings) -> Any:
        names = ("backbone", "size", "width", "features", "groups", "package", "purification")
        key = (settings.method[:4], *(getattr(settings, name) for name in names))
        if key not in kept:
            kept[key] = make_encoder(settings)
        for variable in kept[key].weights:
            variable.assign(np.zeros(variable.shape, variable.dtype))
        return kept[key]

    monkeypatch.setattr(session, "make_encoder", make)
    monkeypatch.setattr(trainers, "make_encoder", make)


class SqueezeExcite(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(1, channels // 16)
        self.fc1 = nn.Conv2d(channels, inner, 1, bias=False)
        self.fc2 = nn.Conv2d(inner, channels, 1, bias=False)

    def forward(self, x: Any) -> Any:
        return x * torch.sigmoid(self.fc2(functional.relu(self.fc1(x.mean((2, 3), keepdim=True)))))


class Unit(nn.Module):
    """A residual unit under the names of either program."""

    def __init__(
        self, inputs: int, outputs: int, stride: int, convolved: bool, iresnet: bool, squeeze: bool
    ) -> None:
        super().__init__()
        parts = [
            nn.BatchNorm2d(inputs),
            nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.PReLU(outputs),
            nn.Conv2d(outputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
        ]
        shortcut = None
        if convolved or inputs != outputs:
            conv = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            shortcut = nn.Sequential(conv, nn.BatchNorm2d(outputs))
        self.stride, self.iresnet = stride, iresnet
        if iresnet:
            for name, part in zip(("bn1", "conv1", "bn2", "prelu", "conv2", "bn3"), parts, strict=True):
                setattr(self, name, part)
            self.downsample = shortcut
        else:
            self.res_layer = nn.Sequential(*parts, *([SqueezeExcite(outputs)] if squeeze else []))
            self.shortcut_layer = shortcut

    def forward(self, x: Any) -> Any:
        if self.iresnet:
            y = self.bn3(self.conv2(self.prelu(self.bn2(self.conv1(self.bn1(x))))))
            shortcut = self.downsample
        else:
            y, shortcut = self.res_layer(x), self.shortcut_layer
        return y + (shortcut(x) if shortcut is not None else functional.max_pool2d(x, 1, self.stride))


def level(number: int, units: int, iresnet: bool, squeeze: bool = False) -> Any:
    inputs, outputs = WIDTH * 2 ** max(number - 1, 0), WIDTH * 2**number
    first = Unit(inputs, outputs, 2, iresnet, iresnet, squeeze)
    rest = (Unit(outputs, outputs, 1, False, iresnet, squeeze) for _ in range(units - 1))
    return nn.Sequential(first, *rest)


class Attention(nn.Module):
    def __init__(self, package: bool) -> None:
        super().__init__()
        channels = 8 * WIDTH
        pooled = channels * 14 * (2 if package else 1)
        self.package = package
        self.spatial = nn.Sequential(nn.Conv2d(2, 1, 7, 1, 3, bias=False), nn.BatchNorm2d(1))
        self.channel = nn.Sequential(
            nn.Conv2d(pooled, pooled // 16, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(pooled // 16, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Any) -> Any:
        pools = [
            torch.cat([pool(x, grid).flatten(1) for grid in (1, 2, 3)], 1)
            for pool in (functional.adaptive_avg_pool2d, functional.adaptive_max_pool2d)
        ]
        vector = torch.cat(pools, 1) if self.package else pools[0] + pools[1]
        channel = torch.sigmoid(self.channel(vector[:, :, None, None]))
        planes = torch.stack([x.amax(1), x.mean(1)], 1)
        attended = x * (0.5 * (channel + torch.sigmoid(self.spatial(planes))))
        return (attended, x - attended) if self.package else (x - attended, attended)


def flat() -> int:
    return 8 * WIDTH * (SIZE[0] // 16) * (SIZE[1] // 16)


class MTLFace(nn.Module):
    def __init__(self, package: bool, squeeze: bool = False) -> None:
        super().__init__()
        self.input_layer = nn.Sequential(
            nn.Conv2d(3, WIDTH, 3, 1, 1, bias=False), nn.BatchNorm2d(WIDTH), nn.PReLU(WIDTH)
        )
        for number, units in enumerate((2, 1, 1, 1)):
            setattr(self, f"block{number + 1}", level(number, units, False, squeeze))
        self.fsm = Attention(package)
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(8 * WIDTH),
            nn.Dropout(),
            nn.Flatten(),
            nn.Linear(flat(), FEATURES),
            nn.BatchNorm1d(FEATURES),
        )

    def forward(self, x: Any) -> Any:
        for layer in (self.input_layer, self.block1, self.block2, self.block3, self.block4):
            x = layer(x)
        return self.output_layer(self.fsm(x)[0])


class IResNet(nn.Module):
    def __init__(self, purified: bool = True) -> None:
        super().__init__()
        self.purified = purified
        self.conv1 = nn.Conv2d(3, WIDTH, 3, 1, 1, bias=False)
        self.bn1, self.prelu = nn.BatchNorm2d(WIDTH), nn.PReLU(WIDTH)
        for number, units in enumerate((2, 1, 1, 1)):
            setattr(self, f"layer{number + 1}", level(number, units, True))
        self.bn2, self.fc = nn.BatchNorm2d(8 * WIDTH), nn.Linear(flat(), FEATURES)
        self.features = nn.BatchNorm1d(FEATURES)
        if not purified:
            return
        self.spu = nn.Module()
        self.spu.seq = nn.Sequential(nn.BatchNorm1d(FEATURES), nn.ReLU(), nn.Linear(FEATURES, FEATURES))

    def forward(self, x: Any) -> Any:
        x = self.prelu(self.bn1(self.conv1(x)))
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
        x = self.features(self.fc(self.bn2(x).flatten(1)))
        return x - self.spu.seq(x) if self.purified else x


class AgeHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        hidden = [nn.Linear(flat(), FEATURES), nn.ReLU(), nn.Linear(FEATURES, 101)]
        self.age_output_layer = nn.Sequential(nn.BatchNorm2d(8 * WIDTH), nn.Flatten(), *hidden)
        self.group_output_layer = nn.Linear(101, 7)

    def forward(self, x: Any) -> Any:
        years = self.age_output_layer(x)
        return years, self.group_output_layer(years)


def piece(inputs: int, outputs: int, bias: bool) -> list[Any]:
    return [nn.BatchNorm2d(inputs), nn.Conv2d(inputs, outputs, 3, 1, 1, bias=bias), nn.ReLU()]


class Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.seq = nn.Sequential(*(layer for _ in range(3) for layer in piece(channels, channels, True)))

    def forward(self, x: Any) -> Any:
        return x + self.seq(x)


class DAL(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layers = [nn.Sequential(*piece(3, WIDTH, False))]
        for number, blocks in enumerate((1, 2, 1, 1)):
            inputs, outputs = WIDTH * 2 ** max(number - 1, 0), WIDTH * 2**number
            layers += [nn.Sequential(*piece(inputs, outputs, False)), nn.MaxPool2d(2)]
            layers += [Block(outputs) for _ in range(blocks)]
        layers += [nn.BatchNorm2d(8 * WIDTH), nn.Flatten(), nn.Dropout(0.0), nn.Linear(flat(), FEATURES)]
        self.backbone = nn.Module()
        self.backbone.seq = nn.Sequential(*layers, nn.BatchNorm1d(FEATURES))
        dense = [nn.Linear(FEATURES, FEATURES), nn.ReLU(), nn.Linear(FEATURES, FEATURES), nn.ReLU()]
        self.RFM = nn.Module()
        self.RFM.seq = nn.Sequential(*dense)
        self.margin_fc = nn.Linear(FEATURES, 10, bias=False)

    def forward(self, x: Any) -> Any:
        x = functional.normalize(self.backbone.seq(x))
        return x - self.RFM.seq(x)


def shaken(network: Any) -> Any:
    """Random weights everywhere, batch statistics included, and scales that the authors meant to fix at 1."""
    torch.manual_seed(3)
    for name, value in network.state_dict().items():
        if value.dtype.is_floating_point:
            value.copy_(
                torch.rand_like(value) + 0.5 if "running_var" in name else torch.randn_like(value) * 0.3
            )
    return network.eval()


def compare(network: Any, recogniser: Any) -> None:
    x = np.random.RandomState(0).uniform(-1, 1, (2, *SIZE, 3)).astype("f")
    with torch.no_grad():
        expected = network(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())).numpy()
    scale = np.abs(expected).max()
    np.testing.assert_allclose(numbers(recogniser(x)) / scale, expected / scale, atol=2e-5)


def converted(kind: str, state: dict[str, Any], folder: Path, *flags: str) -> Any:
    """The recogniser that `agetrans convert` makes of a file, told nothing of its sizes."""
    torch.save(state, folder / "file.pt")
    out = folder / "run"
    assert agetrans("convert", kind, folder / "file.pt", "--out", out, *flags) == 0
    return load_recogniser(out)


@pytest.mark.parametrize(("package", "squeeze"), [(False, True), (True, False)])
def test_mtlface(tmp_path: Path, package: bool, squeeze: bool, capsys: pytest.CaptureFixture[str]) -> None:
    network = shaken(MTLFace(package, squeeze))
    prefix = "encoder." if package else ""
    state = {prefix + name: value for name, value in network.state_dict().items()}
    arrays = {name: value.numpy() for name, value in state.items()}
    assert read_settings("mtlface", arrays).age_weight == 0  # nothing has trained an age head
    head = shaken(AgeHead())
    state |= {f"age_estimator.{name}": value for name, value in head.state_dict().items()}
    state["decoder.decoder.input.input"] = torch.zeros(1, 512, 4, 4)
    recogniser = converted("mtlface", state, tmp_path)
    assert session.read_settings(tmp_path / "run").age_weight > 0
    assert "Not taken" in (said := capsys.readouterr().out)
    assert "decoder.decoder.input.input" in said
    assert ("the released package's" in said) == package
    assert said.startswith("irse18" if squeeze else "ir18, the released")
    compare(network, recogniser)
    x = np.random.RandomState(1).standard_normal((2, SIZE[0] // 16, SIZE[1] // 16, 8 * WIDTH)).astype("f")
    with torch.no_grad():
        expected = head(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()))
    for theirs, ours in zip(expected, recogniser.age_head(x), strict=True):
        np.testing.assert_allclose(numbers(ours), theirs.numpy(), atol=1e-4 * float(theirs.abs().max()))


def test_iefp(tmp_path: Path) -> None:
    network, age = shaken(IResNet()), shaken(IResNet(purified=False))
    state = {f"module.backbone_id.{name}": value for name, value in network.state_dict().items()}
    state |= {f"module.backbone_ae.{name}": value for name, value in age.state_dict().items()}
    compare(network, converted("iefp", state, tmp_path))
    compare(age, converted("iefp", state, tmp_path, "--branch", "age"))
    alone = {f"backbone.{name}": value for name, value in age.state_dict().items()}
    compare(age, converted("iefp", alone, tmp_path, "--branch", "age"))


def test_dal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = shaken(DAL())
    compare(network, converted("dal", network.state_dict(), tmp_path))
    assert "no place for it: margin_fc.weight\n" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["mtlface", "dal", "iefp"])
def test_other_files_are_refused_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    files = {
        "lacks": {"classifier.weight": torch.zeros(3, 3)},
        "holds no state dictionary": torch.zeros(3),
        "cannot be read|no file that PyTorch wrote|is not": None,
    }
    for message, content in files.items():
        path = tmp_path / "f.pt"
        path.write_bytes(b"hello") if content is None else torch.save(content, path)
        assert agetrans("convert", kind, path, "--out", tmp_path / "run") == 2
        error = capsys.readouterr().err
        assert re.search(message, error)
        assert len(error.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_that_does_not_fit_changes_nothing() -> None:
    state = {name: value.numpy() for name, value in shaken(DAL()).state_dict().items()}
    shape = {"size": SIZE, "width": WIDTH, "features": FEATURES}
    recogniser = session.make_encoder(replace(preset("dal", "authors"), **shape))
    kernel = recogniser.backbone.entries[0].conv.conv.kernel
    kernel.assign(kernel + 1)
    before = numbers(kernel.value).copy()
    for change in ({"RFM.seq.2.bias": np.zeros(3, "f")}, {"RFM.seq.2.bias": None}):
        with pytest.raises(CheckpointError, match=r"RFM\.seq\.2\.bias"):
            load_state(recogniser, {**state, **change})
        np.testing.assert_array_equal(numbers(kernel.value), before)
