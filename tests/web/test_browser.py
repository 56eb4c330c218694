"""The page in a real browser: a headless Chromium, driven as a person would."""

from __future__ import annotations

import shutil
import subprocess
import sys

import numpy as np
import pytest

from agetrans.pictures import encode_picture
from tests.conftest import REPOSITORY
from tests.web.fakes import HoldingTransformer, make_studio, one_bit_png, serving

playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed: no browser is tested"
)
expect = playwright.expect
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason="there is no Chromium: the page is not tested in a browser (apt install chromium)",
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory, portrait):
    """A browser whose camera sees the portrait on the left of a grey wall, and may be used."""
    seen = np.full((480, 640, 3), 128, np.uint8)
    seen[100:356, :256] = portrait
    film = tmp_path_factory.mktemp("camera") / "camera.mjpeg"  # JPEG files, one after the other
    film.write_bytes(10 * encode_picture(seen, ".jpg", 88))
    flags = ["--no-sandbox", "--disable-gpu", "--use-fake-ui-for-media-stream"]
    flags += ["--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={film}"]
    with playwright.sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    context = browser.new_context(accept_downloads=True)
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()


@pytest.fixture
def server():
    with serving(make_studio()) as server:
        yield server


def choose(page, picture: np.ndarray) -> None:
    file = {"name": "p.png", "mimeType": "image/png", "buffer": encode_picture(picture, ".png")}
    page.set_input_files("#file", file)


def wait_for_all_ages(page) -> None:
    page.get_by_text("All ages are ready.").wait_for()


def test_upload_slide_divide_and_download(page, server, portrait):
    asked, failures = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("console", lambda line: failures.append(line.text) if line.type == "error" else None)
    page.goto(server.address)
    choose(page, portrait)
    wait_for_all_ages(page)
    slider = page.get_by_label("Age", exact=True)
    for key, place, years in (("Home", 0, "1 year"), ("ArrowRight", 1, "1 year"), ("End", 90, "77 years")):
        slider.press(key)
        page.locator(f"#picture[data-place='{place}']").wait_for()
        assert slider.get_attribute("aria-valuetext") == years
    middle = "[...document.querySelector('#picture').getContext('2d').getImageData(110, 60, 1, 1).data]"
    aged = page.evaluate(middle)
    page.get_by_label("Before and after").press("End")
    page.get_by_text("all before").wait_for()
    assert page.evaluate(middle) != aged
    for name, ending in (("Download this age", "_years.png"), ("sheet", "sheet.png"), ("film", "film.mp4")):
        with page.expect_download() as download:
            page.get_by_role("button", name=name).click()
        assert download.value.suggested_filename.endswith(ending)
        assert download.value.path().stat().st_size > 10_000
    page.get_by_label("Face only").check()
    wait_for_all_ages(page)
    assert page.evaluate("document.querySelector('#picture').width") == 768
    assert failures == []
    assert {url.split("/")[2] for url in asked if not url.startswith("blob:")} == {
        server.address.split("/")[2]
    }


def test_faces_are_outlined_and_chosen(page, server, portrait):
    page.goto(server.address)
    choose(page, np.concatenate([portrait, portrait], axis=1))
    outlines = page.locator("#outlines button")
    outlines.nth(1).wait_for()
    assert outlines.count() == 2
    picture = page.locator("#picture").bounding_box()
    places = [outlines.nth(index).bounding_box() for index in range(2)]
    assert [box["x"] + box["width"] / 2 > picture["x"] + picture["width"] / 2 for box in places] in (
        [False, True],
        [True, False],
    )
    page.get_by_role("button", name="Face 2 of 2").press("Enter")
    expect(page.locator("#outlines [aria-pressed=true]")).to_have_count(1)
    page.get_by_role("button", name="All faces").click()
    expect(page.locator("#outlines [aria-pressed=true]")).to_have_count(2)
    assert page.get_by_label("Face only").is_disabled()


def test_what_is_wrong_is_said_in_a_sentence(page, server):
    page.goto(server.address)
    choose(page, np.full((200, 200, 3), 128, np.uint8))
    page.get_by_role("alert").get_by_text("No face was found").wait_for()
    page.set_input_files("#file", {"name": "p.png", "mimeType": "image/png", "buffer": b"words"})
    page.get_by_role("alert").get_by_text("This file is not a picture").wait_for()
    large = one_bit_png(7072, 7071)
    page.set_input_files("#file", {"name": "p.png", "mimeType": "image/png", "buffer": large})
    page.get_by_role("alert").get_by_text("more than 50 megapixels").wait_for()


HELD = """bytes => {
  const held = new DataTransfer();
  held.items.add(new File([new Uint8Array(bytes)], "p.jpg", { type: "image/jpeg" }));
  return held;
}"""


def test_a_picture_is_dropped(page, server, portrait):
    page.goto(server.address)
    held = page.evaluate_handle(HELD, list(encode_picture(portrait, ".jpg")))
    page.dispatch_event("h1", "dragover", {"dataTransfer": held})
    assert page.get_by_text("Drop the picture").is_visible()
    page.dispatch_event("h1", "dragleave", {"dataTransfer": held})
    assert page.locator("#veil").is_hidden()
    page.dispatch_event("h1", "dragover", {"dataTransfer": held})
    page.dispatch_event("h1", "drop", {"dataTransfer": held})
    assert page.locator("#veil").is_hidden()
    expect(page.locator("#outlines button")).to_have_count(1)


def test_a_picture_is_pasted_and_words_are_not(page, server, portrait):
    page.goto(server.address)
    paste = "held => dispatchEvent(new ClipboardEvent('paste', { clipboardData: held }))"
    page.evaluate(paste, page.evaluate_handle("new DataTransfer()"))
    assert page.locator("#status").inner_text() == ""
    page.evaluate(paste, page.evaluate_handle(HELD, list(encode_picture(portrait, ".jpg"))))
    expect(page.locator("#outlines button")).to_have_count(1)


def test_the_divider_under_the_keys(page, server, portrait):
    page.goto(server.address)
    choose(page, portrait)
    wait_for_all_ages(page)
    seen = "[...document.querySelector('#picture').getContext('2d').getImageData(0, 60, 256, 1).data]"
    divider, line = page.get_by_label("Before and after"), page.locator("#line")
    rows = {}
    for keys, says in ((["End"], "all before"), (["Home"], "all after"), (5 * ["PageUp"], "50 % before")):
        for key in keys:
            divider.press(key)
        expect(page.locator("#share")).to_have_text(says)
        assert divider.get_attribute("aria-valuetext") == says
        assert line.is_visible() == (says == "50 % before")
        rows[says] = page.evaluate(seen)
    before, after, divided = rows.values()
    assert before != after
    assert divided == before[: 4 * 128] + after[4 * 128 :]
    box, place = page.locator("#picture").bounding_box(), line.bounding_box()
    assert place["x"] + place["width"] / 2 == pytest.approx(box["x"] + box["width"] / 2, abs=1.5)


def test_play_goes_to_the_end_and_back_until_it_is_paused(page, server, portrait):
    page.add_init_script(
        "window.setInterval = (tick, every) => { Object.assign(window, { tick, every }); return 1; };\n"
        "window.clearInterval = () => { window.tick = null; };"
    )
    page.goto(server.address)
    choose(page, portrait)
    wait_for_all_ages(page)
    slider, play = page.get_by_label("Age", exact=True), page.locator("#play")
    slider.press("End")
    slider.press("ArrowLeft")
    play.press("Enter")
    expect(play).to_have_text("Pause")
    assert play.get_attribute("aria-pressed") == "true"
    assert page.evaluate("window.every") == 80
    places = []
    for _ in range(4):
        page.evaluate("window.tick()")
        places.append(slider.input_value())
    assert places == ["90", "90", "89", "88"]
    page.locator("#picture[data-place='88']").wait_for()
    play.press("Enter")
    expect(play).to_have_text("Play")
    assert page.evaluate("window.tick") is None
    play.press("Enter")
    slider.press("Home")  # who moves the slider wants to look
    expect(play).to_have_text("Play")
    assert page.evaluate("window.tick") is None


def test_more_work_than_the_server_bears_waits_and_says_so(page, portrait):
    studio = make_studio(HoldingTransformer)
    holding, other = studio.transformer(), page.context.new_page()
    with serving(studio, renders=1) as server:
        page.goto(server.address)
        other.goto(server.address)
        holding.hold = True
        choose(page, portrait)
        assert holding.held.wait(60)
        choose(other, portrait)
        other.get_by_text("Waiting: the server works on other pictures").wait_for()
        assert other.locator("#work").is_hidden()
        holding.hold = False
        holding.go.set()
        for tab in (page, other):
            wait_for_all_ages(tab)


def test_a_picture_of_the_camera(page, server):
    page.goto(server.address)
    camera, shoot = page.get_by_role("button", name="Use the camera"), page.locator("#shoot")
    light = "document.querySelector('#video').srcObject !== null"
    camera.click()
    expect(shoot).to_be_focused()
    assert page.evaluate(light)
    expect(camera).to_be_disabled()  # a second stream would keep the camera on
    shoot.press("Escape")
    expect(camera).to_be_focused()
    assert not page.evaluate(light)
    assert page.locator("#work").is_hidden()
    camera.click()
    shoot.click()
    page.locator("#outlines button").wait_for()
    assert not page.evaluate(light)
    assert page.locator("#viewfinder").is_hidden()
    picture, face = (page.locator(where).bounding_box() for where in ("#picture", "#outlines button"))
    middle = face["x"] + face["width"] / 2 - picture["x"]
    assert middle / picture["width"] == pytest.approx(115 / 640, abs=0.03)  # not mirrored as the view is
    wait_for_all_ages(page)


@pytest.mark.parametrize(
    ("camera", "says"),
    [
        ("undefined", "over https"),
        (
            "{ getUserMedia: async () => { throw new DOMException('', 'NotFoundError'); } }",
            "There is no camera",
        ),
        ("{ getUserMedia: async () => { throw new DOMException('', 'NotAllowedError'); } }", "allow it"),
        ("{ getUserMedia: async () => { throw new Error('odd'); } }", "could not be opened"),
    ],
)
def test_a_camera_that_cannot_be_used_is_said(page, server, camera, says):
    page.add_init_script(f"Object.defineProperty(navigator, 'mediaDevices', {{ value: {camera} }})")
    page.goto(server.address)
    page.get_by_role("button", name="Use the camera").click()
    page.get_by_role("alert").get_by_text(says).wait_for()
    expect(page.get_by_role("button", name="Use the camera")).to_be_enabled()


def test_a_camera_that_stops_and_a_picture_chosen_meanwhile(page, server, portrait):
    page.goto(server.address)
    page.get_by_role("button", name="Use the camera").click()
    expect(page.locator("#shoot")).to_be_focused()
    end = "document.querySelector('#video').srcObject.getTracks()[0].dispatchEvent(new Event('ended'))"
    page.evaluate(end)
    page.get_by_role("alert").get_by_text("The camera stopped").wait_for()
    page.get_by_role("button", name="Use the camera").click()
    expect(page.locator("#shoot")).to_be_focused()
    choose(page, portrait)
    page.locator("#outlines button").wait_for()
    assert page.locator("#viewfinder").is_hidden()


def test_the_first_age_is_the_one_that_the_slider_shows(page, server, portrait):
    page.add_init_script(
        "new MutationObserver(() => {\n"
        "  const { place } = document.querySelector('#picture')?.dataset ?? {};\n"
        "  if (place) (window.places ??= []).push(place);\n"
        "}).observe(document, { attributes: true, subtree: true, attributeFilter: ['data-place'] });"
    )
    page.goto(server.address)
    choose(page, portrait)
    wait_for_all_ages(page)
    assert page.evaluate("window.places")[0] == "90"
    assert page.get_by_text("77 years").is_visible()
    slider = page.get_by_label("Age", exact=True)
    slider.press("Home")
    page.evaluate("window.places = []")
    page.get_by_label("Face only").check()
    page.locator("#picture[data-place='0']").wait_for()
    wait_for_all_ages(page)
    assert set(page.evaluate("window.places")) <= {"0"}


HALTING = """
import sys, threading
from agetrans.inference.transformer import AgeTransformer
from tests.web.fakes import PaintingTransformer

class Halting(PaintingTransformer):
    # Works on twelve ages and then for ever; the first is the model's warming up.
    def decode(self, codes, labels, seed=None):
        for done, change in enumerate(super().decode(codes, labels)):
            if done == 12:
                threading.Event().wait()
            yield change

AgeTransformer.from_snapshot = classmethod(lambda kind, *given, **named: Halting())
from agetrans.cli import console
sys.argv = ["agetrans", "web", "--port", "0"]
console()
"""


def test_a_server_that_is_killed_in_the_middle(page, portrait):
    process = subprocess.Popen(
        [sys.executable, "-c", HALTING], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    try:
        page.goto(process.stdout.readline().split()[3])
        choose(page, portrait)
        page.get_by_text("10 of 91 ages are ready.").wait_for()
        process.kill()
        page.get_by_role("alert").get_by_text("The connection to AgeTrans has ended").wait_for()
    finally:
        process.kill()
        process.communicate()
    slider = page.get_by_label("Age", exact=True)
    slider.press("Home")
    page.locator("#picture[data-place='0']").wait_for()
    assert page.get_by_role("progressbar").is_hidden()


def test_another_picture_ends_the_ages_of_the_one_before(page, portrait, server):
    page.goto(server.address)
    choose(page, portrait)
    page.locator("#picture[data-place]").wait_for()
    choose(page, np.full((200, 200, 3), 128, np.uint8))
    page.get_by_role("alert").get_by_text("No face was found").wait_for()
    assert page.locator("#status").inner_text() == ""


def test_two_tabs_and_a_server_that_ends(page, server, portrait):
    other = page.context.new_page()
    for tab in (page, other):
        tab.goto(server.address)
        choose(tab, portrait)
    for tab in (page, other):
        wait_for_all_ages(tab)
    server.end()
    page.get_by_role("alert").get_by_text("The connection to AgeTrans has ended").wait_for()
    page.get_by_label("Age", exact=True).press("Home")
    page.locator("#picture[data-place='0']").wait_for()


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_a_phone_shows_all_of_it(browser, server, portrait, colours):
    context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme=colours)
    page = context.new_page()
    page.goto(server.address)
    choose(page, portrait)
    page.locator("#picture").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor").strip("rgb()").split(",")
    assert (int(ground[0]) > 128) == (colours == "light")
    context.close()
