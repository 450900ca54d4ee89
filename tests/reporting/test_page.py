"""The page as HTML: escaped, self-contained, ordered, and readable without eyes or colours."""

import base64
import hashlib
import re
import struct
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pipeline.reporting import page
from pipeline.reporting.blocks import (
    Answer,
    Answers,
    Cell,
    Column,
    Fact,
    Fold,
    Missing,
    Page,
    Picture,
    Prose,
    Section,
    Table,
    Terms,
)
from tests.reporting import pages

HOSTILE = "<script>alert(1)</script>\"'&"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + struct.pack(">II", 40, 30)


class Outline(HTMLParser):
    """Headings, ids, images, tables and links of a page, as they come."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def all(self, *names: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in names]


def one_of_each(text: str = "plain") -> Page:
    """A page with every kind of block, `text` wherever a text can stand."""
    table = Table(
        text, [Column(text), Column(text, True, text)], [[Cell(text, text), Cell("2", 2.0)]]
    )
    answer = Answer(
        text, "#0072b2", "overfit", text, text, [Fact(text, text, text)], [text], [text]
    )
    blocks = [Prose(text), Missing(text, text), Picture(PNG, text, text, text), table]
    blocks += [Terms([(text, text)], code=True), Answers([answer]), Fold(text, [Prose(text)])]
    return Page("en", text, text, text, [Section("one", text, blocks)], text)


def test_text_from_outside_is_escaped_wherever_it_stands() -> None:
    html = page.render(one_of_each(HOSTILE))
    assert html.count("<script>") == 1
    assert "alert(1)&lt;/script&gt;" in html
    plain = Outline(page.render(one_of_each()))
    hostile = Outline(html)
    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in plain.tags]


def test_equal_pages_give_equal_text() -> None:
    assert page.render(one_of_each()) == page.render(one_of_each())


def test_the_policy_allows_the_own_script_and_no_other() -> None:
    html = page.render(one_of_each())
    script = re.search(r"<script>(.*?)</script>", html, re.S)
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy is not None
    assert f"script-src 'sha256-{digest}'" in policy[1]
    assert policy[1].startswith("default-src 'none'; img-src data:;")


def test_a_picture_carries_its_size_and_its_finding() -> None:
    images = Outline(page.render(one_of_each())).all("img")
    assert images[0]["alt"] == "plain. plain"
    assert (images[0]["width"], images[0]["height"]) == ("40", "30")
    assert images[0]["src"] == "data:image/png;base64," + base64.b64encode(PNG).decode()


def test_cells_say_what_they_are_sorted_by() -> None:
    html = page.render(one_of_each())
    assert '<th scope="row" data-value="plain">plain</th>' in html
    assert '<td class="number" data-value="2.0">2</td>' in html
    nothing = Table("x", [Column("a"), Column("b", True)], [[Cell("a"), Cell("–")]])
    html = page.render(Page("en", "", "", "", [Section("one", "", [nothing])]))
    assert '<td class="number" data-value="">–</td>' in html


@pytest.fixture(scope="module")
def outline(digits_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Outline:
    return Outline(pages.html("en", digits_folder, tmp_path_factory.mktemp("results") / "all"))


def test_nothing_is_fetched_from_anywhere(outline: Outline) -> None:
    addresses = [
        value
        for _, attributes in outline.tags
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "action", "poster", "data")
    ]
    assert addresses
    assert all(str(address).startswith(("#", "data:")) for address in addresses)
    style = (page.FOLDER / "style.css").read_text(encoding="utf-8")
    assert "url(" not in style and "@import" not in style


def test_headings_descend_without_gaps(outline: Outline) -> None:
    levels = [int(tag[1]) for tag, _ in outline.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))


def test_every_figure_states_its_finding(outline: Outline) -> None:
    alternatives = [image["alt"] or "" for image in outline.all("img")][:-1]
    assert len(alternatives) > 20
    assert all(len(text) > 40 for text in alternatives), min(alternatives, key=len)


def test_tables_have_captions_and_scopes(outline: Outline) -> None:
    tables = len(outline.all("table"))
    assert tables == len(outline.all("caption")) > 10
    assert {heading.get("scope") for heading in outline.all("th")} == {"col", "row"}


def test_ids_are_unique_and_links_lead_somewhere(outline: Outline) -> None:
    ids = [value for _, attributes in outline.tags if (value := attributes.get("id"))]
    assert len(ids) == len(set(ids))
    targets = [str(link["href"])[1:] for link in outline.all("a", "use")]
    labels = [value for _, a in outline.tags if (value := a.get("aria-labelledby"))]
    assert set(targets + labels) <= set(ids)
    assert targets[-len(outline.all("section")) :] and targets[0] == "main"


def luminance(colour: str) -> float:
    """Relative luminance of "#rrggbb" (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_measured_as_the_guidelines_say() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_enough_contrast(scheme: str) -> None:
    style = (page.FOLDER / "style.css").read_text(encoding="utf-8")
    schemes = re.findall(r":root \{(.*?)\}", style, re.S)
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", schemes[0]))
    if scheme == "dark":
        colours |= dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", schemes[1]))
    texts = (
        "ink",
        "muted",
        "link",
        "good_fit",
        "overfit",
        "underfit",
        "data",
        "undetermined",
    )
    for text in texts:
        for ground in ("paper", "raised", "shade"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
