"""`agetrans web` as it is typed."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
from urllib.parse import parse_qs, urlsplit

import pytest

from agetrans.cli import main
from agetrans.cli.console import in_sentences
from agetrans.cli.web import address_of
from tests.conftest import REPOSITORY

PROGRAM = """
import sys
from agetrans.inference.transformer import AgeTransformer
from tests.web.fakes import PaintingTransformer
AgeTransformer.from_snapshot = classmethod(lambda kind, *given, **named: PaintingTransformer())
from agetrans.cli import console
sys.argv[0] = "agetrans"
console()
"""


@pytest.mark.parametrize(("host", "token"), [("127.0.0.2", False), ("0.0.0.0", True)])
def test_serves_until_it_is_ended(host, token):
    command = [sys.executable, "-c", PROGRAM, "web", "--port", "0", "--host", host]
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # An empty variable, as services leave it, is no token that a stranger could give.
    process = subprocess.Popen(command, cwd=REPOSITORY, env={**os.environ, "AGETRANS_TOKEN": ""}, **pipe)
    try:
        address = process.stdout.readline().split()[3]
        assert ("#token=" in address) == token
        port = int(address.split("#")[0].rstrip("/").rsplit(":", 1)[1])
        connection = http.client.HTTPConnection("127.0.0.1" if token else host, port)
        connection.request("GET", "/")
        assert b"AgeTrans" in connection.getresponse().read()
        connection.close()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out) == (0, "")
    assert err.count("\n") == int(token)
    assert ("unencrypted" in err) == token


def test_any_token_survives_in_the_address():
    with socket.create_server(("127.0.0.1", 0)) as bound:
        fragment = urlsplit(address_of(bound, "127.0.0.1", "a+b&c%/")).fragment
    assert parse_qs(fragment) == {"token": ["a+b&c%/"]}


def test_refuses_in_one_sentence(tiny_snapshots, capfd):
    model = str(tiny_snapshots / "agetrans_10group")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for flags, says in (
            (["--port", port], "give another --port"),
            (["--port", "70000"], "--port must be from 0 to 65535"),
            (["--host", "no.such.host.invalid"], "is no address of this computer"),
            (["--max_pages", "0"], "--max_pages must be at least 1"),
            (["--snapshot", "none"], "no snapshot 'none'"),
        ):
            if "--snapshot" not in flags:
                flags = [*flags, "--snapshot", model]
            arguments = main.parse(["agetrans", "web", *flags])
            assert in_sentences(lambda given: main.VERBS["web"].run(given), arguments) == 2
            out, err = capfd.readouterr()
            assert out == ""
            assert says in err
            assert err.count("\n") == 1
