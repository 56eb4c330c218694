"""One step of each method, and what must not move while it is taken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from agetrans.recognition import backbones
from agetrans.recognition.ageing import FaceAgeing
from agetrans.recognition.session import RecognitionRecord
from agetrans.recognition.settings import RecognitionSettings, preset
from agetrans.recognition.trainers import CYCLE, MAXIMISING, make_trainer
from agetrans.training.record import restore, save_atomically
from tests.models.agetrans_reference import numbers

SMALL = {
    "size": (32, 32),
    "width": 2,
    "features": 4,
    "batch": 4,
    "steps": 1000,
    "epochs": 0.0,
    "milestones": (),
    "warmup": 0,
    "learning_rate": 0.01,
    "scale": 8.0,
    "margin": 0.1,
}
PEOPLE = 3


OPTIMIZERS = (
    "optimizer",
    "synthesis_optimizer",
    "discriminator_optimizer",
    "vectors_optimizer",
    "estimator_optimizer",
)
KEPT: dict[str, tuple[Any, list[Any], list[np.ndarray]]] = {}


@pytest.fixture(autouse=True)
def one_level(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks of one level, but for synthesis, which reads four: a step's time is that of its operations."""
    monkeypatch.setitem(backbones.UNITS, "iresnet18", (1,))
    monkeypatch.setitem(backbones.UNITS, "ir18", (1,))
    monkeypatch.setitem(backbones.UNITS, "ir34", (1, 1, 1, 1))


def trainer_of(method: str, **changes: Any) -> Any:
    """A trainer as it is when it is new; made once, which takes longer than its steps."""
    name = f"{method} {sorted(changes.items())}"
    if name not in KEPT:
        keras.utils.set_random_seed(1)
        backbone = {"iefp": "iresnet18", "iefp-age": "iresnet18"}.get(method, "ir18")
        settings = replace(preset(method, "authors"), **{"backbone": backbone, **SMALL, **changes})
        trainer = make_trainer(settings, PEOPLE, pictures=12)
        parts = [trainer, *(getattr(trainer, part) for part in OPTIMIZERS if hasattr(trainer, part))]
        variables = [variable for part in parts for variable in part.variables]
        KEPT[name] = trainer, variables, [numbers(variable.value).copy() for variable in variables]
    trainer, variables, values = KEPT[name]
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    trainer.compile(optimizer=trainer.optimizer, run_eagerly=True, jit_compile=False)
    return trainer


@pytest.fixture(autouse=True, scope="module")
def forget() -> Iterator[None]:
    yield
    KEPT.clear()


def batch_of(settings: RecognitionSettings, number: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(number)
    shape = (settings.batch, *settings.size, 3)
    return {
        "image": random.integers(0, 256, shape, dtype=np.uint8),
        "identity": random.integers(0, PEOPLE, settings.batch).astype(np.int32),
        "years": random.uniform(1, 80, settings.batch).astype(np.float32),
        "target_image": random.integers(0, 256, shape, dtype=np.uint8),
        "target_group": random.integers(0, settings.groups, settings.batch).astype(np.int32),
    }


def state(*parts: Any) -> list[np.ndarray]:
    return [
        numbers(v.value).copy() for part in parts for v in (part if isinstance(part, list) else part.weights)
    ]


def moved(before: list[np.ndarray], after: list[np.ndarray]) -> bool:
    return any((a != b).any() for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("method", ["baseline", "mtlface", "dal", "iefp", "iefp-age"])
def test_a_run_learns_leaves_weights_and_goes_on_bit_for_bit(method: str, tmp_path: Path) -> None:
    trainer, start = trainer_of(method), 0
    if method == "dal":
        start = MAXIMISING - 1  # the first step looks for the correlation, the others lessen it
        trainer.steps.assign(start)
    batch = batch_of(trainer.settings)
    loss = "age" if method == "iefp-age" else "identity"
    losses = [trainer.train_step(batch) for _ in range(4 if method == "dal" else 2)]
    save_atomically(trainer, tmp_path / "state.weights.h5")
    losses.append(trainer.train_step(batch))
    assert all(np.isfinite(float(value)) for value in losses[0].values())
    assert float(losses[-1][loss]) < float(losses[1 if method == "dal" else 0][loss])
    wanted, steps = state(trainer), int(numbers(trainer.steps.value))
    assert steps == start + len(losses)

    again = trainer_of(method)
    assert moved(wanted, state(again))
    keras.utils.set_random_seed(9)
    assert restore(again, tmp_path) == steps - 1
    again.train_step(batch)
    for a, b in zip(wanted, state(again), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_baseline_asks_no_age() -> None:
    trainer = trainer_of("baseline")
    batch = batch_of(trainer.settings)
    expected = trainer.train_step(batch)
    trainer = trainer_of("baseline")
    found = trainer.train_step({**batch, "years": np.full(4, np.nan, np.float32)})
    assert {name: float(value) for name, value in found.items()} == {n: float(v) for n, v in expected.items()}


def test_rate_and_decay_are_in_force_for_all_that_mtlface_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = trainer_of("mtlface")
    monkeypatch.setattr(trainer.rate, "warmup", 10)
    monkeypatch.setattr(trainer, "settings", replace(trainer.settings, weight_decay=50.0))
    variables = trainer.main_variables()
    assert {id(v) for v in trainer.domain_head.trainable_variables} <= {id(v) for v in variables}
    before = [numbers(v.value).copy() for v in variables]
    trainer.improve([keras.ops.zeros_like(v) for v in variables])
    decay = 50 * 0.01 / 10  # the first of ten steps of the warm-up to a rate of 0.01
    for variable, old in zip(variables, before, strict=True):
        kept = 1.0 if variable.name in ("bias", "gamma", "beta") else 1 - decay
        np.testing.assert_allclose(numbers(variable.value), old * kept, rtol=1e-5)


def test_synthesis_leaves_encoder_and_age_head_alone_statistics_included(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trainer = trainer_of("mtlface", synthesise=True, size=(48, 48), backbone="ir34")
    monkeypatch.setattr(trainer, "settings", replace(trainer.settings, recognise=False))
    kept = (trainer.generator, trainer.margin_head, trainer.domain_head)
    before, painter = state(*kept), state(trainer.synthesis)
    critic = state(trainer.discriminator)
    logs = trainer.train_step(batch_of(trainer.settings))
    assert not moved(before, state(*kept))
    assert moved(painter, state(trainer.synthesis))
    assert moved(critic, state(trainer.discriminator))
    assert {"synthesis_gan", "synthesis_identity", "synthesis_age", "synthesis_critic"} == set(logs)


def test_recognition_and_synthesis_share_an_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = trainer_of("mtlface", synthesise=True, size=(48, 48), backbone="ir34")
    batch = batch_of(trainer.settings)
    real, shown, pictures = batch["target_image"].astype("f") / 127.5 - 1, [], []
    judge = trainer.discriminator.call
    mean = trainer.synthesis.stages[0].first.norms[0].moving_mean
    paint, joined = trainer.synthesis.stages[0].first.call, []

    def painted(x: Any, *args: Any, **kwargs: Any) -> Any:
        joined.append(numbers(x))
        return paint(x, *args, **kwargs)

    def watched(x: Any, label: Any, *args: Any, **kwargs: Any) -> Any:
        right = np.argmax(numbers(label), axis=1) == batch["target_group"]
        pictures.append(numbers(x))
        shown.append((np.allclose(numbers(x), real, atol=1e-6), right.all(), right.any()))
        return judge(x, label, *args, **kwargs)

    monkeypatch.setattr(trainer.discriminator, "call", watched)
    monkeypatch.setattr(trainer.synthesis.stages[0].first, "call", painted)
    before = numbers(mean.value).copy()
    logs = trainer.train_step(batch)
    # The generator asks; then the critic sees real faces of the label, synthetic ones, and real faces of another label.
    assert shown == [(False, True, True), (True, True, True), (False, True, True), (True, False, False)]
    np.testing.assert_array_equal(
        pictures[2], pictures[0]
    )  # those very pictures, of the same batch statistics
    expected = 0.9 * before + 0.1 * joined[0].mean(axis=(0, 1, 2))
    np.testing.assert_allclose(numbers(mean.value), expected, atol=1e-5)
    assert {"identity", "age", "age_in_identity", "synthesis_gan"} <= set(logs)
    assert all(np.isfinite(float(value)) for value in logs.values())


def test_a_run_leaves_a_generator_that_ages_faces(tmp_path: Path) -> None:
    trainer = trainer_of("mtlface", synthesise=True, size=(48, 48), backbone="ir34")
    batch = batch_of(trainer.settings)
    trainer.train_step(batch)
    record = RecognitionRecord(tmp_path, batch=4, total_steps=1)
    record.set_model(trainer)
    record.save()
    (tmp_path / "settings.json").write_text(trainer.settings.to_json())
    ageing = FaceAgeing(tmp_path)
    faces = batch["image"].astype("f") / 127.5 - 1
    identity, _, maps = trainer.generator.parts(faces)
    aged = []
    for group in (0, 6):
        label = np.eye(7, dtype="f")[[group] * len(faces)]
        aged.append(numbers(ageing(faces, group=group)))
        expected = numbers(trainer.synthesis(faces, identity, maps, label))
        np.testing.assert_allclose(aged[-1], expected, atol=1e-5)
    assert np.abs(aged[0] - aged[1]).max() > 1e-4
    with pytest.raises(ValueError, match="Groups are 0 to 6"):
        ageing(faces, group=7)


def test_synthetic_faces_stay_between_minus_one_and_one() -> None:
    trainer = trainer_of("mtlface", synthesise=True, size=(48, 48), backbone="ir34")
    image = np.random.default_rng(0).uniform(-1, 1, (2, 48, 48, 3)).astype("f")
    identity, _, maps = trainer.generator.parts(image)
    for variable in trainer.synthesis.to_picture.weights:
        variable.assign(np.full(variable.shape, 9.0))
    label = np.eye(7, dtype="f")[[0, 6]]
    faces = numbers(trainer.synthesis(image, identity, maps, label))
    assert faces.min() >= -1
    assert faces.max() <= 1
    again = numbers(trainer.synthesis(image, identity, maps, label))
    np.testing.assert_array_equal(faces, again)


@pytest.mark.parametrize(
    ("method", "changes"),
    [("mtlface", {"synthesise": True, "size": (48, 48), "backbone": "ir34"}), ("dal", {}), ("iefp", {})],
)
def test_a_step_in_bfloat16_gives_float32_losses(method: str, changes: dict[str, Any]) -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        trainer = trainer_of(method, policy="mixed_bfloat16", **changes)
        logs = trainer.train_step(batch_of(trainer.settings))
    finally:
        keras.config.set_dtype_policy("float32")
    assert all(np.isfinite(float(numbers(value))) for value in logs.values()), logs


def test_dal_takes_turns_over_the_whole_run() -> None:
    trainer = trainer_of("dal")
    rest = [trainer.generator, trainer.margin_head, trainer.age_classifier]
    seen = []
    for step in (MAXIMISING - 1, MAXIMISING, CYCLE - 1, CYCLE):
        trainer.steps.assign(step)
        before = state(*rest), state(trainer.vectors)
        trainer.train_step(batch_of(trainer.settings, step))
        seen.append((moved(before[0], state(*rest)), moved(before[1], state(trainer.vectors))))
    looking, lessening = (False, True), (True, False)
    # The momenta of earlier steps must not move what rests: the last one follows steps of both kinds.
    assert seen == [looking, lessening, lessening, looking]


def test_dals_vectors_climb_by_the_weighted_correlation() -> None:
    """L = L_id + 0.1 L_age + 0.1 rho: while the vectors look for rho, their gradient is that of L, its sign turned."""
    trainer = trainer_of("dal")
    batch = batch_of(trainer.settings)
    image = batch["image"].astype("f") / 127.5 - 1
    identity, age = (numbers(part).astype(np.float64) for part in trainer.generator.factors(image))
    before = [numbers(vector.value).astype(np.float64) for vector in trainer.vectors]
    trainer.train_step(batch)

    def rho(age_vector: np.ndarray, identity_vector: np.ndarray) -> float:
        return float(np.corrcoef(age @ age_vector, identity @ identity_vector)[0, 1] ** 2)

    for place, vector in enumerate(trainer.vectors):
        gradient = np.zeros(len(before[place]))
        for number in range(len(gradient)):
            sides = []
            for shift in (1e-6, -1e-6):
                moved_vectors = [old.copy() for old in before]
                moved_vectors[place][number] += shift
                sides.append(rho(*moved_vectors))
            gradient[number] = (sides[0] - sides[1]) / 2e-6
        assert np.abs(gradient).max() > 1e-2
        step = numbers(vector.value) - before[place]
        np.testing.assert_allclose(step / 0.01, 0.1 * gradient, rtol=1e-2, atol=1e-4)


def test_dals_vectors_climb_while_they_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = trainer_of("dal")
    monkeypatch.setattr(trainer.rate, "rate", 1e-4)
    batch = batch_of(trainer.settings)
    values = [float(trainer.train_step(batch)["correlation"]) for _ in range(3)]
    assert values == sorted(values)
    assert values[-1] > values[0] + 1e-4


def test_iefp_freezes_its_age_branch_and_moves_identity_statistics_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trainer = trainer_of("iefp")
    before, estimator = state(trainer.age_branch), state(trainer.estimator)
    head = trainer.generator.head.last_norm
    head.gamma.assign(
        np.full(head.gamma.shape, 2.0)
    )  # a scale that the authors fix, as a checkpoint may have it
    mean = numbers(head.moving_mean.value)
    taken: list[np.ndarray] = []
    call = trainer.generator.head.linear.call

    def watched(x: Any, *args: Any, **kwargs: Any) -> Any:
        result = call(x, *args, **kwargs)
        taken.append(numbers(result))
        return result

    monkeypatch.setattr(trainer.generator.head.linear, "call", watched)
    trainer.train_step(batch_of(trainer.settings))
    np.testing.assert_array_equal(numbers(head.gamma.value), 2.0)
    assert not moved(before, state(trainer.age_branch))
    assert moved(estimator, state(trainer.estimator))
    expected = 0.9 * mean + 0.1 * taken[0].mean(axis=0)
    np.testing.assert_allclose(numbers(head.moving_mean.value), expected, atol=1e-4)


def test_graphs_train_as_eager_steps_do() -> None:
    trainer = trainer_of("dal")
    trainer.compile(optimizer=trainer.optimizer, run_eagerly=False, jit_compile=False)

    def batches() -> Any:
        while True:
            yield (batch_of(trainer.settings),)

    trainer.steps.assign(MAXIMISING - 1)
    before = state(trainer.generator)
    trainer.fit(batches(), steps_per_epoch=1, verbose=0)
    assert not moved(before, state(trainer.generator))
    trainer.fit(batches(), steps_per_epoch=1, verbose=0)
    assert moved(before, state(trainer.generator))
