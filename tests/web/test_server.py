"""The page's server, spoken to as the page does: pictures, faces, frames and files."""

from __future__ import annotations

import gc
import io
import json
import weakref

import av
import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from agetrans.faces import find_faces
from agetrans.pictures import NOTE, encode_picture
from agetrans.web.server import make_app
from agetrans.web.studio import CROP_SIDE, Sitting
from agetrans.web.tab import Limits
from tests.web.fakes import BASE, TALK, TEN, Page, PaintingTransformer, make_studio, one_bit_png

pytestmark = pytest.mark.usefixtures("quick_faces")


@pytest.fixture
def page(studio):
    with TestClient(make_app(studio, Limits()), BASE).websocket_connect(TALK) as socket:
        yield Page(socket)


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def test_a_picture_as_narrow_as_may_be_is_shown(studio):
    tall = np.zeros((120_000, 32, 3), np.uint8)
    assert Sitting(studio, encode_picture(tall, ".png")).screen.shape[1] == 1


def test_says_the_ages_and_finds_the_faces(page, portrait):
    ready = page.hear("ready")
    np.testing.assert_allclose(ready["ages"], TEN.years(TEN.sequence(10)), atol=0.05)
    assert [ready["names"][0], ready["names"][-1], ready["stops"][-1]] == ["0-2", "70+", 90]
    heard = page.send(portrait)
    assert (heard["width"], heard["height"]) == (256, 256)
    assert np.abs(pixels(heard["data"]).astype(int) - portrait).mean() < 4
    (box,) = heard["faces"]
    assert box == pytest.approx(find_faces(portrait)[0].box)


def test_frames_come_groups_first_and_show_their_age(page, portrait):
    page.send(portrait)
    page.ask("render", run=7)
    view = page.hear("view")
    left, top, width, height = view["region"]
    before = pixels(view["data"])[top : top + height, left : left + width].astype(int)
    frames = [page.hear("frame") for _ in range(91)]
    assert [frame["place"] for frame in frames[:10]] == list(range(0, 91, 10))
    assert sorted(frame["place"] for frame in frames) == list(range(91))
    assert [frame["done"] for frame in frames] == list(range(1, 92))
    assert {frame["run"] for frame in frames} == {7}
    assert [NOTE.encode() in each["data"] for each in (view, *frames)] == [False] + [True] * 91
    ages = TEN.years(TEN.sequence(10))
    middle = np.s_[height // 3 : height // 2, width // 3 : width // 2]
    for frame in frames[::9]:
        after = pixels(frame["data"]).astype(int)
        assert after.shape == before.shape
        lighter = (after - before)[middle][before[middle] < 150]
        assert np.median(lighter) == pytest.approx(ages[frame["place"]], abs=2)


@pytest.mark.parametrize(
    ("place", "first"),
    [
        (90, [90, 80, 70, 60, 50, 40, 30, 20, 10, 0, 85, 75]),
        (37, [37, 40, 30, 50, 20, 60, 10, 70, 0, 80, 90, 35]),
    ],
)
def test_what_is_looked_at_comes_first(page, portrait, place, first):
    page.send(portrait)
    page.ask("render", run=1, place=place)
    assert [page.hear("frame")["place"] for _ in first] == first


def test_face_alone(page, portrait):
    page.send(portrait)
    page.ask("render", run=1, crop=True)
    view = page.hear("view")
    assert (view["width"], view["height"], view["region"]) == (
        CROP_SIDE,
        CROP_SIDE,
        [0, 0, CROP_SIDE, CROP_SIDE],
    )
    assert pixels(page.hear("frame")["data"]).shape == (CROP_SIDE, CROP_SIDE, 3)


def test_every_face_or_one(page, portrait):
    pair = np.concatenate([portrait, portrait], axis=1)
    assert len(page.send(pair)["faces"]) == 2
    for run, faces in enumerate(([0], [1], [0, 1])):
        page.ask("picture", faces, place=90)
        changed = np.abs(pixels(page.hear("file")["data"]).astype(int) - pair).mean(axis=2) > 20
        assert [bool(changed[:, :256].any()), bool(changed[:, 256:].any())] == [0 in faces, 1 in faces], run


def test_a_large_photograph_is_shown_small_and_downloaded_large(page, portrait, monkeypatch):
    import cv2

    monkeypatch.setattr("agetrans.web.studio.find_faces", find_faces)
    large = cv2.resize(portrait, (2000, 2400), interpolation=cv2.INTER_CUBIC)
    heard = page.send(large)
    assert (heard["width"], heard["height"]) == (1333, 1600)
    (face,) = find_faces(large)
    assert heard["faces"][0] == pytest.approx(np.array(face.box) * 2 / 3, abs=6)
    page.ask("picture", place=90)
    after = pixels(page.hear("file")["data"]).astype(int)
    assert after.shape == large.shape
    x, y, width, height = (round(side) for side in face.box)
    middle = np.s_[y + height // 3 : y + height // 2, x + width // 3 : x + width // 2]
    lighter = (after - large)[middle][large[middle] < 150]
    assert np.median(lighter) == pytest.approx(TEN.centres[-1], abs=2)


def test_a_new_wish_replaces_the_one_before(page, portrait):
    page.send(portrait)
    page.ask("render", run=1)
    page.hear("frame")
    page.ask("render", run=2)
    page.hear("view")
    assert [page.hear("frame")["run"] for _ in range(91)] == [2] * 91


def test_downloads_are_whole_and_say_that_they_are_synthetic(page, portrait):
    page.send(portrait)
    page.ask("picture", place=90)
    heard = page.hear("file")
    assert heard["name"] == "agetrans_77_years.png"
    image = Image.open(io.BytesIO(heard["data"]))
    assert (image.size, image.text["Comment"]) == ((256, 256), NOTE)
    page.ask("sheet")
    assert page.hear("progress")["of"] == 10
    sheet = Image.open(io.BytesIO(page.hear("file")["data"]))
    assert sheet.text["Comment"] == NOTE
    assert sheet.width > 6 * 320
    page.ask("film")
    page.ask("film")
    assert "One download" in page.hear("problem")["says"]
    with av.open(io.BytesIO(page.hear("file")["data"])) as film:
        assert film.metadata["comment"] == NOTE
        assert sum(1 for _ in film.decode(video=0)) == 182


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"This is no picture.", "This file is not a picture"),
        (encode_picture(np.zeros((8, 8, 3), np.uint8), ".png"), "at least 32 on each side"),
        (encode_picture(np.zeros((99, 99, 3), np.uint8), ".png")[:90], "damaged or cut off"),
        (encode_picture(np.zeros((99, 99, 3), np.uint8), ".jpg"), "No face was found"),
        (b"x" * 1_000_001, "more than 1 MB"),
        (one_bit_png(7072, 7071), "more than 50 megapixels"),
    ],
)
def test_bad_pictures_get_a_sentence_and_the_next_is_taken(studio, portrait, data, says):
    client = TestClient(make_app(studio, Limits(megabytes=1)), BASE)
    with client.websocket_connect(TALK) as socket:
        page = Page(socket)
        socket.send_bytes(data)
        assert says in page.hear("problem")["says"]
        assert page.send(portrait)["faces"]


@pytest.mark.parametrize(
    "wish",
    [
        "no JSON",
        "[1]",
        "{}",
        "null",
        json.dumps({"do": "burn"}),
        json.dumps({"do": "render"}),
        json.dumps({"do": "render", "faces": []}),
        json.dumps({"do": "render", "faces": [1]}),
        json.dumps({"do": "render", "faces": [0, 0]}),
        json.dumps({"do": "render", "faces": [True]}),
        json.dumps({"do": "render", "faces": ["0"]}),
        json.dumps({"do": "render", "faces": [0], "place": 91}),
        json.dumps({"do": "picture", "faces": [0], "place": 91}),
        json.dumps({"do": "picture", "faces": [0], "place": -1}),
        json.dumps({"do": "picture", "faces": [0], "place": None}),
        json.dumps({"do": "render", "faces": [0], "more": "x" * 20_000}),
    ],
)
def test_nonsense_gets_a_sentence(page, portrait, wish):
    page.send(portrait)
    page.socket.send_text(wish)
    assert page.hear("problem")["says"]


def test_nothing_can_be_asked_without_a_picture(page):
    page.ask("render")
    assert "Choose a picture first" in page.hear("problem")["says"]


def test_the_picture_goes_with_the_page(studio, portrait, monkeypatch):
    made = []

    class Watched(Sitting):
        def __init__(self, *given) -> None:
            super().__init__(*given)
            made.append(weakref.ref(self))

    monkeypatch.setattr("agetrans.web.tab.Sitting", Watched)
    with TestClient(make_app(studio, Limits()), BASE).websocket_connect(TALK) as socket:
        page = Page(socket)
        page.send(portrait)
        page.ask("render", run=1)
        page.hear("frame")
        assert made[0]() is not None
    gc.collect()
    assert made[0]() is None


def test_two_pages_at_once(studio, portrait):
    client = TestClient(make_app(studio, Limits()), BASE)
    with client.websocket_connect(TALK) as one, client.websocket_connect(TALK) as two:
        pages = [Page(one), Page(two)]
        for run, page in enumerate(pages):
            page.send(portrait if run else np.concatenate([portrait, portrait], axis=1))
            page.ask("render", run=run)
        for run, page in enumerate(pages):
            assert page.hear("view")["width"] == (256 if run else 512)
            assert {page.hear("frame")["run"] for _ in range(91)} == {run}


def test_a_model_that_cannot_be_loaded_is_said(portrait):
    from agetrans.snapshot import SnapshotError

    def load():
        raise SnapshotError("The weights are damaged.")

    with TestClient(make_app(make_studio(load), Limits()), BASE).websocket_connect(TALK) as socket:
        page = Page(socket)
        page.send(portrait)
        page.ask("render")
        assert page.hear("problem")["says"] == "The weights are damaged."


def test_what_nobody_foresaw_is_said_and_logged(portrait, caplog):
    class Broken(PaintingTransformer):
        def frame_face(self, *given):
            raise ZeroDivisionError

    with TestClient(make_app(make_studio(Broken), Limits()), BASE).websocket_connect(TALK) as socket:
        page = Page(socket)
        page.send(portrait)
        page.ask("render")
        assert "The terminal" in page.hear("problem")["says"]
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    ("error", "says"), [(ZeroDivisionError, "The terminal"), (MemoryError, "enough memory")]
)
def test_a_picture_that_breaks_the_reader_does_not_end_the_page(page, portrait, monkeypatch, error, says):
    def break_down(*given):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("agetrans.web.tab.Sitting", break_down)
        page.socket.send_bytes(encode_picture(portrait, ".png"))
        assert says in page.hear("problem")["says"]
    assert page.send(portrait)["faces"]
