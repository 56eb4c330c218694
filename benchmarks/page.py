"""How long the page takes from a picture to its ages in Chromium, and pictures of the page.

    python benchmarks/page.py                                      # both pictures, three times each
    python benchmarks/page.py --drops 0 --shots docs/img --two two_people.png

Starts `agetrans web` itself and waits until the model has been loaded. Seconds count from the moment at which the page
gets the file; processor time is the server's. It needs playwright and a Chromium.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from agetrans.pictures import read_picture, write_picture

PORTRAIT = Path(__file__).parent.parent / "test" / "img" / "1.jpg"
WIDE, PHONE = 1000, (380, 1056)
MINUTE = 60_000
MARKS = ("faces outlined", "first age", "ten age groups", "all")
WATCH = """
window.marks = {};
const begin = ({ target }) => { if (target.id === "file") window.marks = { start: performance.now() }; };
addEventListener("change", begin, true);
new MutationObserver(() => {
  const mark = (name) => { window.marks[name] ??= performance.now() - window.marks.start; };
  if (document.querySelector("#outlines button")) mark("faces outlined");
  if (document.querySelector("#picture")?.dataset.place) mark("first age");
  const status = document.querySelector("#status")?.textContent ?? "";
  if (status.startsWith("10 of ")) mark("ten age groups");
  if (status === "All ages are ready.") mark("all");
}).observe(document, { attributes: true, subtree: true, childList: true, characterData: true });
"""


@contextmanager
def serving(snapshot: str) -> Iterator[tuple[str, int]]:
    """The page's address and the number of the process that serves it."""
    program = "import sys; sys.argv[0] = 'agetrans'; from agetrans.cli import console; console()"
    command = [sys.executable, "-c", program, "web", "--port", "0", "--snapshot", snapshot]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[3], process.pid
    finally:
        process.terminate()
        process.wait()


def processor_seconds(process: int) -> float:
    """What a process has used so far (Linux)."""
    words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def photograph() -> np.ndarray:
    """The portrait, its face 500 pixels wide, in a picture of 4000 x 3000 with noise."""
    portrait = cv2.resize(read_picture(PORTRAIT), (1828, 1828), interpolation=cv2.INTER_CUBIC)
    wide = cv2.copyMakeBorder(portrait, 586, 586, 1086, 1086, cv2.BORDER_REPLICATE)
    noise = np.random.default_rng(0).normal(0, 4, wide.shape).astype(np.float32)
    return np.clip(wide + noise, 0, 255).astype(np.uint8)


def drop(page: Page, picture: Path) -> None:
    """Gives the page a picture and waits for all its ages."""
    page.evaluate("delete document.querySelector('#picture').dataset.place; window.marks = {}")
    page.evaluate("document.querySelector('#outlines').replaceChildren()")
    page.set_input_files("#file", picture)
    page.get_by_text("All ages are ready.").wait_for(timeout=10 * MINUTE)


def measure(browser: Browser, address: str, process: int, picture: Path, drops: int) -> None:
    """Prints the quickest and the slowest of some drops."""
    page = browser.new_page()
    page.add_init_script(WATCH)
    page.goto(address)
    found: list[dict[str, float]] = []
    for _ in range(drops):
        before = processor_seconds(process)
        drop(page, picture)
        marks = {name: page.evaluate("name => window.marks[name] / 1000", name) for name in MARKS}
        found.append(marks | {"processor time": processor_seconds(process) - before})
    page.close()
    print(f"{picture.name}: ", end="")
    print(", ".join(f"{name} {_range([each[name] for each in found])}" for name in found[0]), flush=True)


def _range(seconds: list[float]) -> str:
    return f"{min(seconds):.2f} to {max(seconds):.2f} s"


def shoot(browser: Browser, address: str, folder: Path, two: Path | None) -> None:
    """Writes page_light.jpg and page_phone.jpg, and with a picture of two people page_dark.jpg."""

    def opened(picture: Path, colours: Any, width: int, height: int) -> Page:
        page = browser.new_page(color_scheme=colours, viewport={"width": width, "height": height})
        page.goto(address)
        page.set_input_files("#file", picture)
        page.get_by_text("All ages are ready.").wait_for(timeout=10 * MINUTE)
        return page

    def divide(page: Page) -> None:
        page.get_by_label("Before and after").fill("50")
        page.get_by_text("50 % before").wait_for()

    def shot(page: Page, whole: bool) -> np.ndarray:
        picture = np.frombuffer(page.screenshot(full_page=whole), np.uint8)
        page.close()
        return cv2.cvtColor(cv2.imdecode(picture, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)

    def save(picture: np.ndarray, name: str) -> None:
        Image.fromarray(picture).save(folder / name, quality=88)
        print(f"{folder / name}: {picture.shape[1]} x {picture.shape[0]}", flush=True)

    save(shot(opened(PORTRAIT, "light", WIDE, 700), True), "page_light.jpg")
    left, right = opened(PORTRAIT, "light", *PHONE), opened(PORTRAIT, "dark", *PHONE)
    divide(left)
    right.get_by_label("Face only").check()
    right.get_by_text("All ages are ready.").wait_for(timeout=10 * MINUTE)
    save(np.concatenate([shot(left, False), shot(right, False)], axis=1), "page_phone.jpg")
    if two is not None:
        dark = opened(two, "dark", WIDE, 700)
        dark.get_by_role("button", name="All faces").click()
        dark.get_by_text("All ages are ready.").wait_for(timeout=10 * MINUTE)
        divide(dark)
        save(shot(dark, True), "page_dark.jpg")


def main() -> None:
    """Measures, and takes pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--drops", type=int, default=3, help="of each picture (default: 3)")
    parser.add_argument(
        "--snapshot", default="agetrans_10group", help="the model (default: agetrans_10group)"
    )
    parser.add_argument("--shots", type=Path, metavar="FOLDER", help="also take pictures of the page")
    parser.add_argument("--two", type=Path, metavar="PICTURE", help="two people, for the dark page")
    arguments = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with (
        tempfile.TemporaryDirectory() as name,
        sync_playwright() as tool,
        serving(arguments.snapshot) as (address, process),
    ):
        browser = tool.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        loading = browser.new_page()
        loading.add_init_script(WATCH)
        loading.goto(address)
        drop(loading, PORTRAIT)
        loading.close()
        print(
            f"start, model and a first picture: {processor_seconds(process):.1f} s of processor time",
            flush=True,
        )
        if arguments.drops:
            large = Path(name) / "photograph.jpg"
            write_picture(large, photograph())
            for picture in (PORTRAIT, large):
                measure(browser, address, process, picture, arguments.drops)
        if arguments.shots:
            shoot(browser, address, arguments.shots, arguments.two)


if __name__ == "__main__":
    main()
