"""`agetrans web`: the page on this computer, for people who would rather see than type."""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
from typing import Any
from urllib.parse import quote

from agetrans.cli.console import DONE, CommandError, say

PORT = 8642


def add_verb(verbs: Any, name: str) -> None:
    """Adds the verb and its flags to the command."""
    parser = verbs.add_parser(
        name,
        help="a page on this computer: a slider for the age of any face",
        description="Serves a page to this computer alone: choose a picture or use the camera, and move a slider "
        "through the ages. Nothing is uploaded, nothing is kept.",
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="who may connect (default: 127.0.0.1, this computer alone). With another address, such as 0.0.0.0 for the "
        "whole network, the page asks for a token",
    )
    parser.add_argument(
        "--port", type=int, default=PORT, metavar="N", help=f"default: {PORT}; 0 for any that is free"
    )
    parser.add_argument(
        "--token",
        metavar="TEXT",
        help="the token; by default a new one each time (AGETRANS_TOKEN is read, too)",
    )
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    parser.add_argument("--snapshot", metavar="NAME_OR_FOLDER", help="the model (default: agetrans_10group)")
    parser.add_argument(
        "--max_megabytes", type=int, default=30, metavar="N", help="of a picture file (default: 30)"
    )
    parser.add_argument("--max_pages", type=int, default=8, metavar="N", help="open at once (default: 8)")
    parser.add_argument(
        "--max_renders", type=int, default=2, metavar="N", help="worked on at once, others wait (default: 2)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Serves until it is interrupted; returns the exit status."""
    for flag in ("max_megabytes", "max_pages", "max_renders"):
        if getattr(arguments, flag) < 1:
            raise CommandError(f"--{flag} must be at least 1, not {getattr(arguments, flag)}.")
    if not 0 <= arguments.port <= 65535:
        raise CommandError(f"--port must be from 0 to 65535, not {arguments.port}.")
    try:
        import starlette  # noqa: F401
        import uvicorn
        import websockets  # noqa: F401
    except ImportError as error:
        raise CommandError(
            f'The page needs the package {error.name}: pip install "agetrans[web]", in a clone pip install -e ".[web]".'
        ) from None
    from agetrans.snapshot import find_snapshot, read_config

    folder = find_snapshot(arguments.snapshot or "agetrans_10group", say)
    age_groups = read_config(folder).age_groups

    from agetrans.web.server import is_loopback, local_names, make_app
    from agetrans.web.studio import Studio
    from agetrans.web.tab import Limits

    local = is_loopback(arguments.host)
    bound = _bind(arguments.host, arguments.port)
    # An empty one, as an unset variable of a service leaves it, is none.
    token = arguments.token or os.environ.get("AGETRANS_TOKEN") or None
    if token is None and not local:
        import secrets

        token = secrets.token_urlsafe(16)

    def load() -> Any:
        from agetrans.inference import AgeTransformer

        return AgeTransformer.from_snapshot(folder)

    limits = Limits(arguments.max_megabytes, arguments.max_pages, arguments.max_renders, token)
    app = make_app(Studio(age_groups, load), limits, local_names(arguments.host) if local else None)
    address = address_of(bound, arguments.host, token)
    print(f"AgeTrans is at {address} (Control-C ends it).", flush=True)
    if not local:
        say(
            "The page can be reached from other computers. Pictures travel unencrypted: use it in networks you trust."
        )
    if arguments.open:
        import webbrowser

        webbrowser.open(address)
    config = uvicorn.Config(
        app,
        log_level="warning",
        lifespan="off",
        ws="websockets-sansio",
        ws_max_size=arguments.max_megabytes * 1_000_000 + 1024,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=10,  # the model ends what it is at; a second Control-C does not wait
    )
    # uvicorn ends in good order and then passes Control-C on, which here is the way to end.
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[bound])
    return DONE


def _bind(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        bound = socket.socket(family, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen()  # whoever is told the address may come at once
    except socket.gaierror:
        raise CommandError(f"--host {host} is no address of this computer.") from None
    except OSError as error:
        raise CommandError(
            f"The page cannot be served at {host}, port {port} ({error.strerror}): give another --port."
        ) from None
    return bound


def address_of(bound: socket.socket, host: str, token: str | None) -> str:
    """What to open in a browser."""
    port = bound.getsockname()[1]
    shown = socket.gethostname() if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    # After a #, which browsers send to nobody: it stays out of logs.
    return f"http://{shown}:{port}/" + (f"#token={quote(token, safe='')}" if token else "")
