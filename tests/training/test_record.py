"""What a run leaves behind, and that a run which is cut off anywhere goes on as if it had not been."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from agetrans.data.tfrecord import read_record, record_places
from agetrans.training import STATE
from agetrans.training import record as recording
from agetrans.training.distribution import Devices
from agetrans.training.events import EventWriter
from agetrans.training.record import NotFinite, Record, duration, restore
from tests.models.agetrans_reference import numbers
from tests.training.toys import Toy, numbers_from

TICK = 3


def run(
    folder: Path, ticks: int, poison: int | None = None, minutes: float = 0.0, total: int = 99, **options: Any
) -> Toy:
    """Goes on with the run in a folder for some ticks, as `train.py` does."""
    folder.mkdir(exist_ok=True)
    toy = Toy()
    done = restore(toy, folder)
    if not done:
        toy.restart_average()
    record = Record(folder, 4, total, minutes, say=lambda line: None, **options)
    Devices().fit(toy, numbers_from(done, poison), ticks, TICK, [record])
    return toy


def log(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def state(toy: Toy) -> np.ndarray:
    parts = (*toy.generator.trainable_variables, *toy.average, *toy.optimizer.variables, toy.steps)
    return np.concatenate([numbers(part).astype(np.float64).ravel() for part in parts])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Toy]:
    folder = tmp_path_factory.mktemp("whole")
    return folder, run(folder, 4)


def test_a_run_that_is_split_is_the_run_that_is_not(whole: tuple[Path, Toy], tmp_path: Path) -> None:
    run(tmp_path / "a", 1)
    again = run(tmp_path / "a", 3)
    np.testing.assert_array_equal(state(again), state(whole[1]))
    assert log(tmp_path / "a") == log(whole[0])
    assert [line["step"] for line in log(whole[0])] == [3, 6, 9, 12]
    assert log(whole[0])[-1]["kimg"] == 0.048


@pytest.mark.parametrize("moment", ["save_weights", "replace"])
def test_a_kill_in_the_middle_of_a_checkpoint(
    moment: str, whole: tuple[Path, Toy], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file that was being written stays behind, half; state and log go back to the last whole checkpoint."""
    folder = tmp_path / "a"
    run(folder, 2)
    with monkeypatch.context() as patched:
        if moment == "replace":
            replace = os.replace

            def killed(source: Path, target: Path) -> None:
                if Path(target).name == STATE:
                    raise SystemExit
                replace(source, target)

            patched.setattr(recording.os, "replace", killed)
        else:
            patched.setattr(Toy, "save_weights", _half_written)
        with pytest.raises(SystemExit):
            run(folder, 1)
    assert len(log(folder)) == 3
    with open(folder / "log.jsonl", "a") as file:
        file.write('{"step": 12, "lo')
    again = run(folder, 2)
    np.testing.assert_array_equal(state(again), state(whole[1]))
    assert log(folder) == log(whole[0])


def _half_written(_: Toy, path: Path) -> None:
    Path(path).write_bytes(b"half")
    raise SystemExit


def test_a_loss_that_is_no_number_stops_the_run_with_the_last_good_state(
    whole: tuple[Path, Toy], tmp_path: Path
) -> None:
    folder = tmp_path / "a"
    with pytest.raises(
        NotFinite,
        match=r"The loss loss is no longer a number, between steps 6 and 9: .* lower --learning_rate",
    ):
        run(folder, 4, poison=7)
    assert [line["step"] for line in log(folder)] == [3, 6]
    again = run(folder, 2)
    np.testing.assert_array_equal(state(again), state(whole[1]))


def test_what_is_published_is_the_average(whole: tuple[Path, Toy]) -> None:
    folder, toy = whole
    published = Toy()
    published.generator.load_weights(folder / "generator.weights.h5")
    for average, variable in zip(toy.averaged(), published.generator.trainable_variables, strict=True):
        np.testing.assert_array_equal(average, numbers(variable))
    trained = zip(toy.averaged(), toy.generator.trainable_variables, strict=True)
    assert any(np.abs(average - numbers(variable)).max() > 1e-3 for average, variable in trained)


def test_snapshots_come_at_their_interval(tmp_path: Path) -> None:
    run(tmp_path, 4, sheet_steps=5)
    # steps 6 and 12 are the first ticks after 5 and 10: 24 and 48 photographs
    assert sorted(path.name for path in (tmp_path / "snapshots").iterdir()) == ["000000.weights.h5"]
    assert {path.name for path in tmp_path.iterdir()} == {
        "events",
        "generator.weights.h5",
        "log.jsonl",
        "snapshots",
        "state.weights.h5",
    }


def test_only_the_first_worker_writes(tmp_path: Path) -> None:
    run(tmp_path / "a", 1, writes=False)
    assert list((tmp_path / "a").iterdir()) == []


class After(keras.callbacks.Callback):
    """Does something when a step of the run, counted from 1, is done."""

    def __init__(self, step: int, action: Callable[[], object]) -> None:
        super().__init__()
        self.left, self.action = step, action

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.left -= 1
        if self.left == 0:
            self.action()


def test_a_first_signal_ends_the_run_saved_after_its_step_and_a_second_at_once(
    whole: tuple[Path, Toy], tmp_path: Path
) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    toy, record = Toy(), Record(folder, 4, 99, 1e6, say=lambda line: None)
    toy.restart_average()
    with pytest.raises(KeyboardInterrupt):
        Devices().fit(toy, numbers_from(0), 9, TICK, [After(4, record.stop_soon), record])
    with pytest.raises(KeyboardInterrupt):
        record.stop_soon()
    assert [line["step"] for line in log(folder)] == [3, 4]
    assert restore(Toy(), folder) == 4
    again = run(folder, 9, total=12)
    np.testing.assert_array_equal(state(again), state(whole[1]))


def test_a_run_ends_with_its_last_step_though_the_tick_is_longer(tmp_path: Path) -> None:
    toy = run(tmp_path, 9, minutes=1e6, total=5)
    assert int(numbers(toy.steps)) == 5
    assert [line["step"] for line in log(tmp_path)] == [3, 5]
    assert restore(Toy(), tmp_path) == 5


@pytest.mark.parametrize("sheet_steps", [None, 6])
def test_a_weight_that_is_no_number_is_not_saved_though_the_losses_were(
    sheet_steps: int | None, whole: tuple[Path, Toy], tmp_path: Path
) -> None:
    """Losses are taken before the step's update: the last update of a tick shows in the weights alone."""
    folder = tmp_path / "a"
    run(folder, 1)
    toy = Toy()
    restore(toy, folder)
    record = Record(folder, 4, 99, 0.0, sheet_steps, say=lambda line: None)
    weight = toy.average[0]
    spoil = After(TICK, lambda: weight.assign(np.full(weight.shape, np.nan)))
    with pytest.raises(
        NotFinite, match=r"The weight .*average0 is no longer a number, between steps 3 and 6"
    ):
        Devices().fit(toy, numbers_from(3), 2, TICK, [spoil, record])
    assert not (folder / "snapshots").exists()
    again = run(folder, 3)
    np.testing.assert_array_equal(state(again), state(whole[1]))
    assert log(folder) == log(whole[0])


def test_progress_names_the_time_left(tmp_path: Path) -> None:
    lines: list[str] = []
    toy = Toy()
    Devices().fit(toy, numbers_from(0), 1, TICK, [Record(tmp_path, 1000, 30, 1e6, say=lines.append)])
    assert "3.00 of 30.0 kimg" in lines[0]
    assert " left  loss " in lines[0]
    assert duration(3723.4) == "1:02:03"


def test_tensorboard_reads_the_events(tmp_path: Path) -> None:
    """Against TensorFlow's own messages where it is installed."""
    tf = pytest.importorskip("tensorflow")
    writer = EventWriter(tmp_path / "events")
    writer.scalars(7, {"loss": 1.5, "r1": -2.0})
    picture = np.random.RandomState(0).randint(0, 256, (4, 6, 3), np.uint8)
    writer.picture(300, "sample", picture)
    writer.close()
    (path,) = (tmp_path / "events").iterdir()
    data = path.read_bytes()
    first, second, third = (
        tf.compat.v1.Event.FromString(read_record(data, *place)) for place in record_places(data)
    )
    assert first.file_version == "brain.Event:2"
    assert (second.step, {value.tag: value.simple_value for value in second.summary.value}) == (
        7,
        {"loss": 1.5, "r1": -2.0},
    )
    (value,) = third.summary.value
    assert (third.step, value.tag, value.image.height, value.image.width) == (300, "sample", 4, 6)
    np.testing.assert_array_equal(tf.io.decode_png(value.image.encoded_image_string), picture)
    assert abs(first.wall_time - os.path.getmtime(path)) < 60
