"""Numbers and lists as the page writes them."""

import pytest

from pipeline.reporting import wording
from pipeline.reporting.wording import Wording, epoch, number, percent, points, signed, whole

ENGLISH, JAPANESE = Wording("en"), Wording("ja")


@pytest.mark.parametrize(
    ("form", "value", "shown"),
    [
        (number, 0.456, "0.46"),
        (number, -1.5, "−1.50"),
        (number, -0.001, "0.00"),
        (number, None, "–"),
        (number, float("nan"), "–"),
        (number, "", "–"),
        (signed, 0.3, "+0.30"),
        (signed, -0.3, "−0.30"),
        (signed, -0.001, "0.00"),
        (percent, 0.8837, "88.4%"),
        (percent, 1, "100.0%"),
        (points, -0.012, "−1.2"),
        (points, None, "–"),
        (whole, 1600, "1,600"),
        (whole, 0, "0"),
        (epoch, 7.0, "7"),
        (epoch, 7.5, "7.5"),
        (epoch, float("inf"), "–"),
    ],
)
def test_numbers(form, value, shown) -> None:
    assert form(value) == shown


def test_intervals() -> None:
    assert ENGLISH.span(0.863, 0.902, percent) == "86.3–90.2%"
    assert JAPANESE.span(0.863, 0.902, percent) == "86.3～90.2%"
    assert ENGLISH.span(-0.1, 0.2, number) == "−0.10 to 0.20"
    assert ENGLISH.span(0.1, 0.2, signed) == "+0.10 to +0.20"
    assert ENGLISH.span(0.1, None, number) == ""
    assert ENGLISH.with_span(0.5, 0.4, 0.6, number) == "0.50 (0.40–0.60)"
    assert ENGLISH.with_span(0.5, float("nan"), 0.6, number) == "0.50"


def test_lists() -> None:
    assert ENGLISH.listed([]) == ""
    assert ENGLISH.listed(["a"]) == "a"
    assert ENGLISH.listed(["a", "b"]) == "a and b"
    assert ENGLISH.listed(["a", "b", "c", "d"]) == "a, b, c and d"
    assert JAPANESE.listed(["a", "b", "c"]) == "a、b と c"


def test_names_without_a_text_stay_as_they_are() -> None:
    assert ENGLISH.or_itself("curves.rule", "GL_2") == "GL 2"
    assert ENGLISH.or_itself("curves.rule", "new_rule") == "new_rule"
    assert ENGLISH.kind("no effect") == "No effect that matters"
    assert ENGLISH.kind("another") == "another"
    assert ENGLISH.kind("") == "–"


def test_cells_sort_by_numbers_and_show_texts() -> None:
    shown = wording.cell(0.5, percent)
    assert (shown.text, shown.value) == ("50.0%", 0.5)
    assert wording.cell(None, percent).value is None
    long = "a class name that is much too long for a table"
    assert wording.named(long).value == long
    assert len(wording.named(long).text) <= 32
    assert ENGLISH.verdict_cell("overfit").verdict == "overfit"
    assert ENGLISH.verdict_cell("unheard of").text == "–"
