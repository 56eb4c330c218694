"""A model that paints the age as a brightness, so that frames say theirs; a server around it, and a page."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import uvicorn
from PIL import Image

from agetrans.groups import AgeGroups
from agetrans.inference.compose import compose
from agetrans.inference.stopwatch import Stopwatch
from agetrans.inference.transformer import AgeTransformer
from agetrans.pictures import encode_picture
from agetrans.web.server import make_app
from agetrans.web.studio import Studio
from agetrans.web.tab import Limits

TEN = AgeGroups.of(10)
BASE = "http://127.0.0.1:8642"
TALK = "ws://127.0.0.1:8642/talk"


class PaintingTransformer:
    """Adds a grey level for each year; as `AgeTransformer`, without TensorFlow."""

    framing = "ffhq"
    generator = SimpleNamespace(size=64)
    age_groups = TEN
    frame_face = AgeTransformer.frame_face

    def __init__(self) -> None:
        self.stopwatch = Stopwatch()

    def encode(self, crop):
        return (crop,)

    def decode(self, codes, labels, seed=None):
        for years in TEN.years(labels):
            change = np.zeros((1, 8, 8, 6), np.float32)
            change[..., 2:5] = years / 127.5
            change[..., 5] = 1
            yield change

    def compose(self, crop, change):
        return compose(crop, change)

    def render(self, crop, labels):
        yield from (self.compose(crop, change[0]) for change in self.decode(self.encode(crop), labels))


class HoldingTransformer(PaintingTransformer):
    """Once told to `hold`, stops before the next age until it is let `go`; `held` says that it has stopped."""

    hold = False

    def __init__(self) -> None:
        super().__init__()
        self.held, self.go = threading.Event(), threading.Event()

    def decode(self, codes, labels, seed=None):
        for change in super().decode(codes, labels, seed):
            if self.hold:
                self.held.set()
                self.go.wait()
            yield change


class Page:
    """Says and hears what the page does."""

    def __init__(self, socket, token=None) -> None:
        self.socket = socket
        self.socket.send_text(json.dumps({"do": "hello", "token": token}))

    def hear(self, kind: str) -> dict:
        """The next message of a kind, with its bytes under "data"."""
        while True:
            message = self.socket.receive_json()
            if message["is"] in ("picture", "view", "frame", "file"):
                message["data"] = self.socket.receive_bytes()
            if message["is"] == kind:
                return message

    def ask(self, what: str, faces=(0,), **more) -> None:
        self.socket.send_text(json.dumps({"do": what, "faces": list(faces), **more}))

    def send(self, picture: np.ndarray) -> dict:
        self.socket.send_bytes(encode_picture(picture, ".png"))
        return self.hear("picture")


def one_bit_png(width: int, height: int) -> bytes:
    """A large picture in a small file."""
    file = io.BytesIO()
    Image.new("1", (width, height)).save(file, "PNG")
    return file.getvalue()


def make_studio(load=PaintingTransformer) -> Studio:
    return Studio(TEN, load)


@contextlib.contextmanager
def serving(studio: Studio, **limits) -> Iterator[SimpleNamespace]:
    """A real server on a free port of this computer: its address, and a function that ends it at once."""
    bound = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(
            make_app(studio, Limits(**limits)), log_level="error", lifespan="off", ws="websockets-sansio"
        )
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()

    def end() -> None:
        server.force_exit = server.should_exit = True
        thread.join()

    try:
        yield SimpleNamespace(address=f"http://127.0.0.1:{bound.getsockname()[1]}/", end=end)
    finally:
        end()
        bound.close()
