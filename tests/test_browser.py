"""The page in a real browser: it loads, sorts, enlarges, fits, and asks nobody for anything."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.reporting import pages

WIDTHS = (390, 1440)
SCORES = "#answer > .scroll table"
OVERFLOWING = """() => [...document.querySelectorAll("main *, header *, nav *")].filter((e) => {
    if (e.closest(".scroll, .hidden, dialog, svg, pre") || !e.getClientRects().length) return false;
    const box = e.getBoundingClientRect();
    return box.right > document.documentElement.clientWidth + 0.5 || box.left < -0.5;
}).map((e) => e.tagName + " " + e.textContent.slice(0, 60))"""
CLIPPED = """() => [...document.querySelectorAll("p, h1, h2, h3, dd, dt, td, th, button, .chip")]
    .filter((e) => e.getClientRects().length && !e.closest(".hidden, .skip, dialog"))
    .filter((e) => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflow != "visible")
    .map((e) => e.textContent.slice(0, 60))"""


@pytest.fixture(scope="module")
def addresses(digits_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("pages")
    found = {}
    for language in ("en", "ja"):
        path = folder / f"{language}.html"
        path.write_text(pages.html(language, digits_folder, folder / "results"), encoding="utf-8")
        found[language] = path.as_uri()
    return found


class Opened:
    """A page in the browser, and all it said and asked for."""

    def __init__(self, browser: Any, address: str, width: int, **context: Any) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900}, **context)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(address)


@pytest.fixture
def opened(browser: Any, addresses: dict[str, str]) -> Iterator[Any]:
    made: list[Opened] = []

    def open_page(language: str = "en", width: int = 1440, **context: Any) -> Opened:
        made.append(Opened(browser, addresses[language], width, **context))
        return made[-1]

    yield open_page
    for one in made:
        one.context.close()


def column(page: Any, table: str, index: int) -> list[str]:
    cells = f"{table} tbody tr > :nth-child({index})"
    return [text.strip() for text in page.locator(cells).all_inner_texts()]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("language", ["en", "ja"])
def test_it_loads_and_fits(opened: Any, language: str, width: int, scheme: str) -> None:
    one = opened(language, width, color_scheme=scheme)
    one.page.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
    outside = [url for url in one.requests if not url.startswith(("file:", "data:"))]
    assert one.complaints == []
    assert outside == []
    assert one.page.evaluate("document.documentElement.lang") == language
    assert one.page.evaluate("document.documentElement.scrollWidth") == width
    assert one.page.evaluate(OVERFLOWING) == []
    assert one.page.evaluate(CLIPPED) == []
    assert one.page.evaluate("[...document.images].every((i) => !i.src || i.naturalWidth > 0)")
    ground = one.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(251, 250, 247)", "dark": "rgb(20, 23, 26)"}[scheme]


def test_tables_sort_by_number_and_by_name(opened: Any) -> None:
    page = opened().page
    before = column(page, SCORES, 3)
    heading = page.locator(f"{SCORES} thead th").nth(2)
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    shown = column(page, SCORES, 3)
    assert sorted(shown) == sorted(before)
    assert shown == sorted(shown, key=lambda text: -float(text.split("%")[0]))
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert column(page, SCORES, 3)[0] == min(before, key=lambda t: float(t.split("%")[0]))
    page.locator(f"{SCORES} thead th").first.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") is None
    assert column(page, SCORES, 1) == ["cnn"] * 3 + ["dense"] * 3


def test_what_has_no_number_sorts_last_both_ways(opened: Any) -> None:
    page = opened().page
    cells = ["3", "–", "20", "−1"]
    page.evaluate(
        """(cells) => {
        const rows = document.querySelectorAll("#answer > .scroll tbody tr");
        rows.forEach((row, i) => {
            const text = cells[i] ?? "–";
            row.cells[3].textContent = text;
            row.cells[3].dataset.value = text === "–" ? "" : text.replace("−", "-");
        });
    }""",
        cells,
    )
    button = page.locator(f"{SCORES} thead th").nth(3).get_by_role("button")
    button.click()
    assert column(page, SCORES, 4) == ["20", "3", "−1", "–", "–", "–"]
    button.click()
    assert column(page, SCORES, 4) == ["−1", "3", "20", "–", "–", "–"]


def test_the_keyboard_reaches_sorting_and_figures(opened: Any) -> None:
    page = opened().page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.locator(f"{SCORES} thead button").nth(2).focus()
    page.keyboard.press("Enter")
    assert page.locator(f"{SCORES} thead th").nth(2).get_attribute("aria-sort") == "descending"
    page.locator("#curves .enlarge").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("#lightbox").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#lightbox").is_visible()
    assert "enlarge" in page.evaluate("document.activeElement.className")


def test_figures_enlarge_and_close(opened: Any) -> None:
    page = opened().page
    figure = page.locator("#curves figure").first
    small = figure.locator("img").bounding_box()["width"]
    figure.locator("img").click()
    large = page.locator("#lightbox img")
    assert large.bounding_box()["width"] > small
    assert large.get_attribute("alt") == figure.locator("img").get_attribute("alt")
    page.get_by_role("button", name="Close").click()
    assert not page.locator("#lightbox").is_visible()


def test_on_a_phone_the_enlarged_figure_can_be_moved_about(opened: Any) -> None:
    page = opened(width=390).page
    page.locator("#curves .enlarge").first.click()
    stage = page.locator("#lightbox .stage")
    assert stage.evaluate("(e) => e.scrollWidth > 1.5 * e.clientWidth")


def test_a_link_opens_what_is_folded_around_its_target(opened: Any) -> None:
    page = opened().page
    page.evaluate("document.querySelector('#curves details .folded').id = 'inside'")
    assert not page.locator("#inside").is_visible()
    page.evaluate("location.hash = 'inside'")
    page.wait_for_function("document.querySelector('#curves details').open")


def test_paper_shows_everything_and_no_controls(opened: Any) -> None:
    page = opened().page
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    assert page.locator("nav").is_hidden() and page.locator(".enlarge").first.is_hidden()
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() > 0


def test_without_scripts_all_is_there_to_read(opened: Any) -> None:
    page = opened(java_script_enabled=False).page
    assert page.locator(".enlarge").first.is_hidden()
    assert page.locator(f"{SCORES} tbody tr").count() == 6
    page.locator("#curves summary").first.click()
    assert page.locator("#curves details img").first.is_visible()
