"""What AgeTrans asks itself for, where its table `asked` says so."""

from __future__ import annotations

import numpy as np
import pytest

from agetrans.inference.engine import Engine
from agetrans.models.agetrans import AgeTrans
from tests.models import agetrans_reference as reference
from tests.models.agetrans_reference import numbers

GROUPS = 4
TABLE = np.array([[0, 1.5, 2, 2.5], [0.5, 1, 2.25, 3], [0, 0.25, 2, 3], [0, 1, 1.5, 3]], np.float32)


@pytest.fixture(scope="module")
def plain() -> AgeTrans:
    network = AgeTrans(size=64, groups=GROUPS, width=4, units=8)
    reference.fill(network, seed=1)
    return network


def like(network: AgeTrans, table: np.ndarray) -> AgeTrans:
    other = AgeTrans(size=64, groups=GROUPS, width=4, units=8, asked=table)
    other.set_weights(network.get_weights())
    return other


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    coarse = np.random.RandomState(0).uniform(-0.8, 0.8, (3, 8, 8, 3))
    return coarse.repeat(8, axis=1).repeat(8, axis=2).astype("f")


def test_asking_for_the_groups_themselves_changes_nothing(plain: AgeTrans, image: np.ndarray) -> None:
    same = like(plain, np.tile(np.arange(GROUPS), (GROUPS, 1)))
    label = np.array([[1, 0, 0, 0], [0, 0.25, 0.75, 0], [0, 0, 0, 1]], np.float32)
    np.testing.assert_allclose(numbers(same(image, label)), numbers(plain(image, label)), atol=1e-4)


def test_each_face_is_asked_for_the_places_of_its_own_age(plain: AgeTrans, image: np.ndarray) -> None:
    _, logits = plain.encode_and_read_age(image)[1]
    own = np.exp(numbers(logits))
    places = own / own.sum(axis=1, keepdims=True) @ TABLE
    wanted = np.array([[0, 0.5, 0.5, 0], [1, 0, 0, 0], [0, 0, 0.2, 0.8]], np.float32)
    place = (places * wanted).sum(axis=1)
    assert ((place > 0) & (place < GROUPS - 1)).all()
    label = np.stack([np.interp(place, range(GROUPS), row) for row in np.eye(GROUPS)], axis=1).astype("f")
    expected = numbers(plain.decode(plain.encode(image), label))
    asked = like(plain, TABLE)
    np.testing.assert_allclose(numbers(asked.decode(asked.encode(image), wanted)), expected, atol=1e-4)


def test_one_face_at_many_ages(plain: AgeTrans, image: np.ndarray) -> None:
    asked = like(plain, TABLE)
    labels = np.eye(GROUPS, dtype="f")
    together = numbers(asked.decode(asked.encode(image[:1]), labels))
    for row, label in zip(together, labels, strict=True):
        alone = numbers(asked.decode(asked.encode(image[:1]), label[None]))
        np.testing.assert_allclose(row, alone[0], atol=1e-4)


def test_the_table_is_kept_in_the_configuration_and_must_fit(plain: AgeTrans) -> None:
    asked = like(plain, TABLE)
    again = AgeTrans.from_config(asked.get_config())
    np.testing.assert_array_equal(again.asked, TABLE)
    assert AgeTrans.from_config(plain.get_config()).asked is None
    with pytest.raises(
        ValueError, match=r"a row and a column for each of 4 groups. Received: shape \(3, 4\)"
    ):
        AgeTrans(size=64, groups=GROUPS, width=4, units=8, asked=TABLE[:3])
    with pytest.raises(ValueError, match="Places of `asked` lie between 0 and 3"):
        like(plain, TABLE + 0.5)


def test_training_is_not_for_a_network_that_asks_itself_for_more(plain: AgeTrans, image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="trained without `asked`"):
        like(plain, TABLE).encode_and_read_age(image)


def test_many_frames_of_one_face_in_an_engine(plain: AgeTrans, image: np.ndarray) -> None:
    asked = like(plain, TABLE)
    picture = ((image[0] + 1) * 127.5).astype(np.uint8)
    labels = np.repeat(np.eye(GROUPS, dtype="f"), 2, axis=0)[1:]
    engine = Engine(asked, batch_size=3)
    changes = np.concatenate(list(engine.decode(engine.encode(picture), labels)))
    core = picture[None].astype("f") / 127.5 - 1
    np.testing.assert_allclose(changes, numbers(asked.decode(asked.encode(core), labels)), atol=1e-4)
