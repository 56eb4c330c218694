"""The page in a real browser: a headless Chromium, driven as a person would."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from agetrans.pictures import encode_picture
from tests.web.fakes import make_studio, serving

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
def browser(tmp_path_factory):
    with playwright.sync_playwright() as tool:
        flags = ["--no-sandbox", "--disable-gpu"]
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


def test_two_tabs_and_a_server_that_is_killed(page, server, portrait):
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
