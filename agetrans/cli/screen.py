"""Where the demo shows its frames: a window, or a film."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

import numpy as np

from agetrans.cli.console import CommandError

if TYPE_CHECKING:
    from agetrans.inference.film import Film

KEYS = {"Left": "younger", "Right": "older", "Down": "younger", "Up": "older"}
KEYS |= {"c": "capture", "l": "live", "space": "pause", "Escape": "leave", "q": "leave"}


class Screen(Protocol):
    """Shows frames and says which keys were pressed."""

    def __enter__(self) -> Screen: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, picture: np.ndarray) -> list[str]:
        """Shows `(H, W, 3)` uint8 RGB; returns what the keys pressed since the last frame mean, see `KEYS`."""


class Window:
    """A window of Tk, which comes with Python.

    Raises:
        CommandError: Python has no Tk, or there is no display.
    """

    def __init__(self, title: str) -> None:
        try:
            import tkinter
        except ImportError:
            raise CommandError(
                "The window needs tkinter (Debian and Ubuntu: apt install python3-tk); --record FILE.mp4 needs none."
            ) from None
        try:
            self._root = tkinter.Tk()
        except tkinter.TclError:
            raise CommandError(
                "There is no display to open a window on: run it on a desktop, or write a film with --record FILE.mp4."
            ) from None
        self._root.title(title)
        self._label = tkinter.Label(
            self._root, borderwidth=0, text="The model is being loaded ...", padx=90, pady=60
        )
        self._label.pack()
        self._pressed: list[str] = []
        self._root.bind("<Key>", lambda event: self._pressed.append(KEYS.get(event.keysym, "")))
        self._root.protocol("WM_DELETE_WINDOW", lambda: self._pressed.append("leave"))

    def __enter__(self) -> Window:
        self._root.update()
        return self

    def show(self, picture: np.ndarray) -> list[str]:
        """See `Screen`."""
        from PIL import Image, ImageTk

        image = Image.fromarray(picture)
        image.thumbnail((self._root.winfo_screenwidth() * 9 // 10, self._root.winfo_screenheight() * 8 // 10))
        photo = ImageTk.PhotoImage(image)
        self._label.configure(image=photo, padx=0, pady=0)
        self._shown = photo  # Tk shows what Python still holds
        self._root.update()
        pressed, self._pressed = self._pressed, []
        return [key for key in pressed if key]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._root.destroy()


class Recorder:
    """A film of what a window would show."""

    def __init__(self, path: Path, rate: float) -> None:
        self._path, self._rate = path, rate

    def __enter__(self) -> Recorder:
        self._film: Film | None = None
        return self

    def show(self, picture: np.ndarray) -> list[str]:
        """See `Screen`; nobody presses a key."""
        from fractions import Fraction

        from agetrans.inference.film import Film

        if self._film is None:
            self._film = Film(self._path, picture.shape[:2], Fraction(self._rate).limit_denominator(1001))
            self._film.__enter__()
        self._film.add(picture)
        return []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._film is not None:
            self._film.__exit__(kind, error, trace)
