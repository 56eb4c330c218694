"""Who is let in, and how much is done at once."""

from __future__ import annotations

import re

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from agetrans.pictures import encode_picture
from agetrans.web.server import LOCAL_NAMES, PAGE, is_loopback, local_names, make_app
from agetrans.web.studio import Sitting
from agetrans.web.tab import BUSY, REFUSED, Limits
from tests.web.fakes import BASE, TALK, HoldingTransformer, Page, make_studio

pytestmark = pytest.mark.usefixtures("quick_faces")


@pytest.fixture
def two_pages(request):
    """A model that holds when it is told to, and two pages on one server that does as much at once as is asked for."""
    studio = make_studio(HoldingTransformer)
    holding = studio.transformer()
    with (
        TestClient(make_app(studio, Limits(renders=request.param)), BASE) as client,
        client.websocket_connect(TALK) as one,
        client.websocket_connect(TALK) as two,
    ):
        yield holding, Page(one), Page(two)
        holding.go.set()


def test_more_pages_than_allowed_are_sent_away(studio):
    client = TestClient(make_app(studio, Limits(tabs=1)), BASE)
    with client.websocket_connect(TALK) as one:
        Page(one).hear("ready")
        with client.websocket_connect(TALK) as two, pytest.raises(WebSocketDisconnect) as end:
            Page(two).hear("ready")
        assert end.value.code == BUSY
    with client.websocket_connect(TALK) as three:
        assert Page(three).hear("ready")


@pytest.mark.parametrize("token", [None, "", "wrong", 5, "geheim "])
def test_without_the_token_nothing_is_said(studio, token):
    client = TestClient(make_app(studio, Limits(token="geheim"), None), BASE)
    with client.websocket_connect(TALK) as socket, pytest.raises(WebSocketDisconnect) as end:
        Page(socket, token).hear("ready")
    assert end.value.code == REFUSED
    with client.websocket_connect(TALK) as socket:
        assert Page(socket, "geheim").hear("ready")


def test_who_has_not_said_the_token_takes_nobody_s_place(studio):
    client = TestClient(make_app(studio, Limits(tabs=1, token="geheim"), None), BASE)
    with client.websocket_connect(TALK), client.websocket_connect(TALK) as socket:
        assert Page(socket, "geheim").hear("ready")


def test_other_sites_are_refused(studio):
    client = TestClient(make_app(studio, Limits()), BASE)
    foreign = client.websocket_connect(TALK, headers={"origin": "https://example.org"})
    with pytest.raises(WebSocketDisconnect), foreign as socket:
        socket.receive_json()
    with client.websocket_connect(TALK, headers={"origin": BASE}) as socket:
        assert Page(socket).hear("ready")
    rebound = TestClient(make_app(studio, Limits(), LOCAL_NAMES), "http://example.org")
    assert rebound.get("/").status_code == 403
    with pytest.raises(WebSocketDisconnect), rebound.websocket_connect("ws://example.org/talk") as socket:
        socket.receive_json()


def test_the_page_may_ask_nobody_else(studio):
    client = TestClient(make_app(studio, Limits()), BASE)
    answer = client.get("/")
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert re.findall(r"\w+://[\w.:]+", policy) == ["ws://127.0.0.1:8642", "wss://127.0.0.1:8642"]
    for file in PAGE.iterdir():
        outside = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+", file.read_text(encoding="utf-8")))
        assert outside <= {"http://www.w3.org"}, file.name  # the name of SVG, which is not fetched
    for named in re.findall(r'(?:src|href)="([^"]+)"', answer.text):
        assert client.get(f"/{named}").status_code == 200
    assert client.get("/../studio.py").status_code == 404
    assert client.get("/nothing").text == "There is nothing here; the page is at /."


@pytest.mark.parametrize("two_pages", [1], indirect=True)
@pytest.mark.parametrize("what", ["render", "picture", "sheet", "film"])
def test_pictures_and_wishes_wait_for_a_page_that_is_worked_for(two_pages, portrait, monkeypatch, what):
    opened = []

    class Counted(Sitting):
        def __init__(self, *given) -> None:
            opened.append(1)
            super().__init__(*given)

    monkeypatch.setattr("agetrans.web.tab.Sitting", Counted)
    holding, one, two = two_pages
    one.send(portrait)
    two.hear("ready")
    holding.hold = True
    one.ask(what)
    assert holding.held.wait(60)
    one.socket.send_bytes(
        encode_picture(portrait, ".png")
    )  # work that nobody wants any more goes on in its thread
    two.socket.send_bytes(encode_picture(portrait, ".png"))
    assert two.socket.receive_json() == {"is": "waiting"}
    assert len(opened) == 1
    holding.hold = False
    holding.go.set()
    assert [page.hear("picture")["faces"] for page in (one, two)]
    assert len(opened) == 3


@pytest.mark.parametrize("two_pages", [2], indirect=True)
def test_nobody_waits_while_there_is_room(two_pages, portrait):
    holding, one, two = two_pages
    one.send(portrait)
    two.hear("ready")
    holding.hold = True
    one.ask("render")
    assert holding.held.wait(60)
    two.socket.send_bytes(encode_picture(portrait, ".png"))
    assert two.socket.receive_json()["is"] == "picture"


@pytest.mark.parametrize("host", ["127.0.0.2", "::1", "localhost"])
def test_a_page_answers_to_the_address_that_it_was_given(studio, host):
    name = f"[{host}]" if ":" in host else host
    client = TestClient(make_app(studio, Limits(), local_names(host)), f"http://{name}:8642")
    assert client.get("/").status_code == 200
    assert client.get("/", headers={"host": "example.org"}).status_code == 403


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("localhost", True),
        ("::1", True),
        ("127.3.2.1", True),
        ("0.0.0.0", False),
        ("pc", False),
    ],
)
def test_which_addresses_are_this_computer(host, local):
    assert is_loopback(host) is local
