"""A page of anybody's judged nets: whole, safe, and the same for the same."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from overfit_atlas import judgement
from overfit_atlas.facts import Facts
from overfit_atlas.page import charts, render, saved
from overfit_atlas.record import Judgement
from overfit_atlas.rules import Rules
from overfit_atlas.words import text
from tests.overfit_atlas import synthetic


@pytest.fixture(scope="module")
def judged() -> Judgement:
    fits = synthetic.make("overfit 2", seed=7, num_seeds=2).histories
    return judgement.judge("</script><b>", fits, Rules(), Facts((0.1,) * 10, 10))


def test_a_page_is_written_whole_and_equal_for_equal(judged: Judgement, tmp_path: Path) -> None:
    page = saved.of_judgements([judged], "en")
    saved.write(tmp_path / "new" / "page.html", page)
    written = (tmp_path / "new" / "page.html").read_text(encoding="utf-8")
    assert written == render.html(saved.of_judgements([judged], "en"))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["page.html"]
    assert written.count("</script>") == 3 and "<b>" not in written


def test_it_says_what_is_there_and_no_more(judged: Judgement) -> None:
    page = saved.of_judgements([judged, judged], "en")
    assert page.headline.endswith(" overfit")
    assert page.gallery is None and page.plane is None and page.remedies is None
    assert len(page.courses) == 2 and len(page.quiz) == 10
    assert page.subject == "Models: 2; validation images: 1,253"
    unknown = saved.of_judgements([replace(judged, draws=None)], "en")
    assert unknown.subject == "Models: 1"
    assert unknown.scores is not None and "–" not in unknown.scores.caption


def test_what_is_usually_tried_is_of_the_first_model_that_overfits(judged: Judgement) -> None:
    fits = synthetic.make("ideal", seed=7, num_seeds=3).histories
    fine = judgement.judge("fine", fits, Rules(), Facts((0.1,) * 10, 10))
    assert (fine.verdict, judged.verdict) == ("good fit", "overfit")
    advice = saved.of_judgements([fine, judged], "ja").advice
    assert advice == [text(f"verdict.remedy.{name}", "ja") for name in judged.remedies()[:3]]
    assert saved.of_judgements([fine], "ja").advice == []


def test_images_are_found_in_what_a_model_takes() -> None:
    labels = np.array([1, 0])
    inputs = np.linspace(-1, 1, 4 * 2 * 2).reshape(4, 2, 2)
    found = saved.pictures_of(inputs, labels, labels)
    assert found.images.shape == (2, 2, 2, 1) and found.images.dtype == np.uint8
    assert (found.images.min(), found.images.max()) == (0, 255)
    assert saved.pictures_of(np.zeros((4, 64)), labels, labels) is None
    assert saved.pictures_of([inputs, inputs], labels, labels) is None


@pytest.mark.parametrize("missing", ["vl_convert", "jinja2"])
def test_without_the_extra_the_remedy_is_named(
    judged: Judgement, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    render.renderer.cache_clear()
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(render.PageError, match=r"pip install .overfit-atlas\[page\]"):
        render.html(saved.of_judgements([judged], "en"))


@pytest.mark.parametrize(
    ("most", "widths"),
    [(4, [1, 2, 3, 4, 3, 3, 4, 4, 3]), (2, [1, 2, 2, 2, 2, 2, 2, 2, 2])],
)
def test_panels_stand_in_rows_as_even_as_can_be(most: int, widths: list[int]) -> None:
    assert [render.columns(count, most) for count in range(1, 10)] == widths


def test_every_chart_is_vega_lite_in_both_languages() -> None:
    made = charts.charts("ja")
    assert set(made) == set(charts.charts("en")) and len(made) == 9
    assert made["plane_gap"]["layer"][0]["encoding"]["x"]["title"] == "幅（ユニット数）"
    assert set(charts.KINDS) - {"other", "unjudged"} == {
        "good fit", "underfit", "too sure", "wrong more often", "by heart", "overfit",
    }  # fmt: skip
