"""One open page: the conversation over its WebSocket. Its picture lives as long as the connection, nowhere else.

The page sends its token, then pictures (binary) and wishes (JSON, named by "do"); it gets JSON named by "is", and for a
"picture", "frame" or "file" the bytes right after.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from agetrans.faces.face import NO_FACE
from agetrans.pictures import PictureError, encode_picture
from agetrans.snapshot import SnapshotError
from agetrans.web.studio import FRAME_QUALITY, Sitting, Studio

HELLO_SECONDS = 10
"""How long a page may take to say its token."""
REFUSED = 4401
BUSY = 4429
LONGEST_WISH = 10_000

Result = TypeVar("Result")


@dataclass
class Limits:
    """What one server bears.

    Attributes:
        megabytes: of an uploaded file.
        tabs: pages at once.
        renders: what is worked on at once, pictures that are read among it; others wait.
    """

    megabytes: int = 30
    tabs: int = 8
    renders: int = 2
    token: str | None = None
    open_tabs: int = 0
    slots: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self.slots = asyncio.Semaphore(self.renders)


class Tab:
    """Serves one page.

    Args:
        socket: its connection, not accepted yet.
        studio: what answers it.
        limits: shared by all pages.
    """

    def __init__(self, socket: WebSocket, studio: Studio, limits: Limits) -> None:
        self._socket, self._studio, self._limits = socket, studio, limits
        self._sending = asyncio.Lock()
        self._sitting: Sitting | None = None
        self._opening: asyncio.Task[None] | None = None
        self._render: asyncio.Task[None] | None = None
        self._download: asyncio.Task[None] | None = None

    async def serve(self) -> None:
        """Talks until the page is gone."""
        await self._socket.accept()
        if not await self._is_welcome():
            return
        if self._limits.open_tabs >= self._limits.tabs:
            await self._socket.close(BUSY, "Too many pages are open: close one, or come back later.")
            return
        self._limits.open_tabs += 1
        try:
            await self._talk()
        except WebSocketDisconnect:
            pass
        finally:
            try:
                await self._forget()
            finally:
                self._limits.open_tabs -= 1

    async def _forget(self) -> None:
        """Ends all work, and forgets the picture."""
        for task in (self._opening, self._render, self._download):
            await _end(task)
        self._sitting = None

    async def _is_welcome(self) -> bool:
        try:
            message = await asyncio.wait_for(self._socket.receive(), HELLO_SECONDS)
            token = _wish(message).get("token")
        except asyncio.TimeoutError:
            token = None
        wanted = self._limits.token
        if wanted is None or (
            isinstance(token, str) and hmac.compare_digest(token.encode(), wanted.encode())
        ):
            return True
        await self._socket.close(
            REFUSED, "The token is missing or wrong: open the address that the server printed."
        )
        return False

    async def _talk(self) -> None:
        plan = self._studio.plan
        await self._send(
            {
                "is": "ready",
                "ages": [round(float(age), 1) for age in plan.ages],
                "stops": list(plan.stops),
                "names": list(plan.stop_names),
                "megabytes": self._limits.megabytes,
            }
        )
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            data = message.get("bytes")
            if data is not None:
                await self._forget()
                self._opening = self._begin(self._take_picture(data))
                continue
            await self._grant(_wish(message))

    async def _take_picture(self, data: bytes) -> None:
        if len(data) > self._limits.megabytes * 1_000_000:
            await self._problem(
                f"This file has more than {self._limits.megabytes} MB: make it smaller first."
            )
            return
        async with self._slot():
            sitting = await _in_thread(Sitting, self._studio, data)
            original = await _in_thread(encode_picture, sitting.screen, ".jpg", FRAME_QUALITY, False)
        self._sitting = sitting
        height, width = sitting.screen.shape[:2]
        boxes = [list(face.box) for face in sitting.screen_faces]
        await self._send({"is": "picture", "width": width, "height": height, "faces": boxes}, original)
        if not boxes:
            await self._problem(NO_FACE)

    async def _grant(self, wish: dict[str, Any]) -> None:
        what, sitting = wish.get("do"), self._sitting
        if what not in ("render", "picture", "sheet", "film"):
            await self._problem("The page asked for something that this server does not know: reload it.")
            return
        if sitting is None:
            await self._problem("Choose a picture first.")
            return
        chosen, crop, place = (
            _choice(wish.get("faces"), len(sitting.faces)),
            wish.get("crop") is True,
            wish.get("place", 0),
        )
        if not chosen or (crop and len(chosen) > 1):
            await self._problem("Choose one of the outlined faces; a face alone is shown one at a time.")
            return
        if not (isinstance(place, int) and 0 <= place < len(self._studio.plan)):
            await self._problem("The page asked for an age that the model does not have: reload it.")
            return
        if what == "render":
            await _end(self._render)
            self._render = self._begin(self._send_frames(sitting, chosen, crop, place, wish.get("run")))
        elif self._download is not None and not self._download.done():
            await self._problem("One download is being made already: wait until it is there.")
        else:
            self._download = self._begin(self._send_file(sitting, what, chosen, crop, place))

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.create_task(self._guard(work))

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        """Waits until this page may work, and says so where it has to."""
        slots = self._limits.slots
        if slots.locked():
            await self._send({"is": "waiting"})
        async with slots:
            yield

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        """Turns what can go wrong into a sentence on the page; a closed page is no error."""
        try:
            await work
        except (PictureError, SnapshotError) as error:
            await self._problem(str(error))
        except MemoryError:
            await self._problem("This computer has not enough memory for that: try a smaller picture.")
        except Exception:
            if self._is_open():
                logging.exception("A page's wish could not be granted")
                await self._problem("That went wrong. The terminal in which `agetrans web` runs says more.")
        finally:
            work.close()

    async def _send_frames(
        self, sitting: Sitting, chosen: list[int], crop: bool, first: int, run: Any
    ) -> None:
        if not self._studio.ready:
            await self._send({"is": "loading"})
            await asyncio.to_thread(self._studio.transformer)
        async with self._slot():
            view, region, frames = await _in_thread(sitting.frames, chosen, crop, first)
            try:
                original = await _in_thread(encode_picture, view, ".jpg", FRAME_QUALITY, False)
                height, width = view.shape[:2]
                size = {"width": width, "height": height, "region": region}
                await self._send({"is": "view", "run": run, **size}, original)
                done, count = 0, len(self._studio.plan)
                while (found := await _in_thread(next, frames, None)) is not None:
                    done += 1
                    place, data = found
                    progress = {"place": place, "done": done, "of": count}
                    await self._send({"is": "frame", "run": run, **progress}, data)
            finally:
                await _in_thread(frames.close)

    async def _send_file(
        self, sitting: Sitting, what: str, chosen: list[int], crop: bool, place: int
    ) -> None:
        loop, abandoned = asyncio.get_running_loop(), threading.Event()

        def progress(done: int, count: int) -> None:
            if abandoned.is_set():
                raise RuntimeError("nobody waits for this file any more")
            message = {"is": "progress", "what": what, "done": done, "of": count}
            asyncio.run_coroutine_threadsafe(self._send(message), loop).result()

        def make() -> bytes:
            if what == "picture":
                return sitting.picture_file(chosen, crop, place)
            return (sitting.sheet_file if what == "sheet" else sitting.film_file)(chosen, crop, progress)

        names = {
            "picture": f"agetrans_{self._studio.plan.ages[place]:.0f}_years.png",
            "sheet": "agetrans_sheet.png",
            "film": "agetrans_film.mp4",
        }
        async with self._slot():
            data = await _in_thread(make, abandoned=abandoned)
        await self._send({"is": "file", "what": what, "name": names[what]}, data)

    def _is_open(self) -> bool:
        states = self._socket.client_state, self._socket.application_state
        return WebSocketState.DISCONNECTED not in states

    async def _problem(self, sentence: str) -> None:
        with suppress(WebSocketDisconnect, RuntimeError):
            await self._send({"is": "problem", "says": sentence})

    async def _send(self, message: dict[str, Any], data: bytes | None = None) -> None:
        async with self._sending:
            await self._socket.send_text(json.dumps(message))
            if data is not None:
                await self._socket.send_bytes(data)


async def _end(task: asyncio.Task[None] | None) -> None:
    if task is not None and not task.done():
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _in_thread(
    function: Callable[..., Result], *given: Any, abandoned: threading.Event | None = None
) -> Result:
    """What a function returns in a thread; if cancelled, still waits for the thread's end, till which a slot is held.

    Args:
        function: what to call.
        *given: its arguments.
        abandoned: is set when nobody waits for the result any more.
    """
    work = asyncio.ensure_future(asyncio.to_thread(function, *given))
    cancelled = False
    while not work.done():
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError:
            cancelled = True
            if abandoned is not None:
                abandoned.set()
    if cancelled:
        work.exception()  # is looked at, so that nobody logs it
        raise asyncio.CancelledError
    return work.result()


def _wish(message: Any) -> dict[str, Any]:
    """What a text message of the page says; nothing where it is no JSON object."""
    text = message.get("text")
    if not text or len(text) > LONGEST_WISH:
        return {}
    try:
        wish = json.loads(text)
    except ValueError:
        return {}
    return wish if isinstance(wish, dict) else {}


def _choice(given: Any, count: int) -> list[int]:
    """Indices of faces that the page has chosen; none where they make no sense."""
    if not isinstance(given, list) or len(given) > count:
        return []
    known = [index for index in given if type(index) is int and 0 <= index < count]
    return known if len(set(known)) == len(given) else []
