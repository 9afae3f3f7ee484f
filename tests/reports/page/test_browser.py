"""A page in a real browser, where there is one: it fits, sorts by keyboard, and asks nothing of the net."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from reports.page.pages import experiment, page_of

SIZES = [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]
LONG = "a-word-that-is-longer-than-a-phone-is-wide-because-nobody-broke-it-anywhere"

pytestmark = pytest.mark.filterwarnings("ignore:unclosed")  # of the driver's


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("needs chromium")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    first = experiment(folder / LONG, speakers=LONG, name=LONG)
    second = experiment(folder / "b", seeds=range(4, 44), model="mhcnn")
    path = folder / "page.html"
    path.write_text(page_of(first, second, problems=[LONG]), encoding="utf-8")
    return path


@pytest.mark.parametrize(("width", "scheme"), SIZES)
def test_it_fits_and_is_quiet(browser: Any, written: Path, width: int, scheme: str, tmp_path: Path) -> None:
    page = browser.new_page(viewport={"width": width, "height": 850}, color_scheme=scheme)
    asked: list[str] = []
    told: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.goto(written.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "nothing is to be scrolled sideways"
    sizes = page.evaluate("[...document.images].map((image) => [image.naturalWidth, image.width])")
    assert len(sizes) == 6
    assert all(own > 0 and 250 < drawn <= width for own, drawn in sizes), "figures are loaded, and not made tiny"
    right = page.evaluate("[...document.querySelectorAll('.table')].map((box) => box.getBoundingClientRect().right)")
    assert max(right) <= width
    page.screenshot(path=Path(os.environ.get("GLAM_SCREENSHOTS", tmp_path)) / f"report-{width}-{scheme}.png")
    page.close()
    assert [url for url in asked if not url.startswith("data:")] == [written.as_uri()]
    assert told == []


def cells(page: Any, table: str, column: int) -> list[str]:
    texts: list[str] = page.evaluate(
        f"[...document.querySelectorAll('{table} tbody tr')].map((row) => row.cells[{column}].textContent)"
    )
    return texts


def test_tables_are_sorted_by_keyboard(browser: Any, written: Path) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 850})
    page.goto(written.as_uri())
    table, before = ".long", cells(page, ".long", 3)
    assert len(before) == 40
    heading = page.locator(f"{table} thead th").nth(3)
    page.locator(f"{table} thead button").nth(2).focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"
    assert cells(page, table, 3) == sorted(before, key=float, reverse=True)
    page.keyboard.press("Space")
    assert heading.get_attribute("aria-sort") == "ascending"
    assert cells(page, table, 3) == sorted(before, key=float)
    page.locator(f"{table} thead button").nth(0).press("Enter")
    assert heading.get_attribute("aria-sort") is None
    seeds = [int(name.removeprefix("seed ")) for name in cells(page, table, 0)]
    assert seeds == sorted(seeds)
    page.close()


def test_what_is_no_number_comes_last(browser: Any, written: Path) -> None:
    page = browser.new_page()
    page.goto(written.as_uri())
    page.evaluate(
        """() => {
          const body = document.querySelector(".long").querySelector("tbody");
          body.rows[0].cells[3].textContent = "-";
          body.rows[1].cells[3].textContent = "+101.00 to 3";
          body.rows[2].cells[3].textContent = "(1.50)";
        }"""
    )
    button = page.locator(".long thead button").nth(3)
    for expected in (("+101.00 to 3", "-"), ("(1.50)", "-")):
        button.click()
        values = cells(page, ".long", 3)
        assert (values[0], values[-1]) == expected
    page.close()


def test_it_can_be_read_without_scripts(browser: Any, written: Path) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 850})
    page = context.new_page()
    page.goto(written.as_uri())
    assert page.locator("button").count() == 0
    assert page.locator("h1").inner_text() == "2 experiments"
    assert page.locator("img").first.get_attribute("alt").startswith("Confusion matrix")
    context.close()


def test_links_lead_to_their_places(browser: Any, written: Path) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 850})
    page.goto(written.as_uri())
    for link in page.locator("nav a").all():
        assert page.locator(link.get_attribute("href")).count() == 1
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the report"
    page.close()


def test_a_live_page_can_be_paused(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "live.html"
    path.write_text(page_of(experiment(tmp_path / "a"), live=True).replace('data-reload="30"', 'data-reload="0.5"'))
    page = browser.new_page()
    loaded: list[str] = []
    page.on("load", lambda _: loaded.append(page.url))
    page.goto(path.as_uri())
    page.wait_for_event("load")
    pause = page.get_by_role("button", name="Pause")
    pause.press("Enter")
    assert pause.get_attribute("aria-pressed") == "true"
    times = len(loaded)
    page.wait_for_timeout(1500)
    assert len(loaded) == times
    page.close()


def test_printed_it_has_everything(browser: Any, written: Path) -> None:
    page = browser.new_page()
    page.goto(written.as_uri())
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    heights = page.evaluate(
        "[...document.querySelectorAll('.table')].map((box) => [box.scrollHeight, box.clientHeight])"
    )
    assert all(inside <= box for inside, box in heights), "no table is cut off"
    assert page.locator("nav").first.is_hidden()
    page.close()
