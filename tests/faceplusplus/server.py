"""A server on this machine that behaves like the documented Face++ API, its errors and bad days included."""

from __future__ import annotations

import email.parser
import email.policy
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY, SECRET = "key-that-nobody-may-see-41c7", "secret-that-nobody-may-see-9e02"
LIMIT = 2 * 1024 * 1024
NOBODY, AGED = b"nobody", b"age="

Answer = tuple[int, "dict[str, Any] | bytes"]
Trouble = Callable[["FacePlusPlusServer", int], "Answer | str | None"]


class FacePlusPlusServer(ThreadingHTTPServer):
    """Answers `detect` and `compare`; a picture's bytes say what is seen: `age=31`, or `nobody`.

    Attributes:
        requests: the calls, in order.
        trouble: called with the number of the request; an answer to give instead, "cut" to close the connection,
            "half" to send half an answer, None for none.
        gate: cleared, no request is answered.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[str] = []
        self.forms: list[dict[str, bytes]] = []
        self.trouble: Trouble = lambda server, number: None
        self.gate = threading.Event()
        self.gate.set()
        self.arrived = threading.Semaphore(0)

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that leave are expected."""


@contextmanager
def running() -> Iterator[FacePlusPlusServer]:
    server = FacePlusPlusServer()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server
    finally:
        server.gate.set()
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FacePlusPlusServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(self.path)
        self.server.arrived.release()
        self.server.gate.wait(30)
        trouble = self.server.trouble(self.server, len(self.server.requests))
        if trouble == "cut":
            self.close_connection = True
            self.connection.close()
            return
        form = _form(self.headers["Content-Type"], body)
        self.server.forms.append(form)
        status, content = trouble if isinstance(trouble, tuple) else self._answer(form)
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if trouble == "half" else data)
        self.close_connection = trouble == "half"

    def _answer(self, form: dict[str, bytes]) -> Answer:
        if (form.get("api_key"), form.get("api_secret")) != (KEY.encode(), SECRET.encode()):
            return 401, {"error_message": "AUTHENTICATION_ERROR", "request_id": "1"}
        pictures = [value for name, value in form.items() if name.startswith("image_file")]
        if any(len(picture) > LIMIT for picture in pictures):
            return 413, b"<html>Request Entity Too Large</html>"
        if any(picture.startswith(b"GIF") for picture in pictures):
            return 400, {"error_message": "IMAGE_ERROR_UNSUPPORTED_FORMAT: image_file"}
        if self.path == "/facepp/v3/detect":
            if form.get("return_attributes") != b"age":
                return 400, {"error_message": "MISSING_ARGUMENTS: return_attributes"}
            faces = [
                {"face_token": "t", "attributes": {"age": {"value": int(picture.partition(AGED)[2][:2])}}}
                for picture in pictures
                if NOBODY not in picture
            ]
            return 200, {"request_id": "1", "time_used": 3, "faces": faces, "face_num": len(faces)}
        if self.path == "/facepp/v3/compare":
            if any(NOBODY in picture for picture in pictures):
                return 200, {"request_id": "1", "faces1": [], "faces2": [], "time_used": 3}
            first, second = (int(picture.partition(AGED)[2][:2]) for picture in pictures)
            return 200, {
                "request_id": "1",
                "confidence": 97.25 - abs(first - second),
                "thresholds": {"1e-3": 62.3},
            }
        return 404, {"error_message": "API_NOT_FOUND"}

    def log_message(self, format: str, *arguments: object) -> None:
        """Quiet."""


def _form(content_type: str, body: bytes) -> dict[str, bytes]:
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(
        b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body
    )
    return {
        str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True)
        for part in message.iter_parts()
    }
