"""The common look: fonts, colours that everybody can tell apart, frames, and no global state."""

import io
import warnings
from itertools import combinations

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from overfit_atlas.words import LANGUAGES, table
from pipeline.plots import style


@style.drawn
def plain(language: str, title: str = "title", note: str = "") -> Figure:
    figure = style.sheet(height=2)
    figure.subplots().plot([1, 2], [-1, 1])
    return style.frame(figure, title, note, [style.key("line", color="k")], language)


def test_matplotlib_settings_are_as_before_and_pyplot_knows_no_figure() -> None:
    import matplotlib.pyplot as plt

    plt.get_backend()
    before = matplotlib.rcParams.copy()
    plain("ja")
    assert matplotlib.rcParams == before
    assert plt.get_fignums() == []


def test_settings_return_also_after_an_error() -> None:
    before = matplotlib.rcParams.copy()

    @style.drawn
    def broken(language: str) -> Figure:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken("en")
    assert matplotlib.rcParams == before


def test_a_users_own_settings_do_not_reach_the_figure() -> None:
    with matplotlib.rc_context({"font.size": 40, "axes.grid": False}):
        figure = plain("en")
    assert figure.axes[0].xaxis.get_ticklabels()[0].get_fontsize() == 9.5


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_letter_of_every_text_has_a_glyph(language: str) -> None:
    letters = "".join(sorted(set("".join(table(language).values())) - set("\n")))
    with style.theme(language):
        figure = Figure(figsize=(60, 1))
        figure.text(0, 0.5, letters)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            figure.savefig(io.BytesIO())


def test_japanese_class_names_are_drawn_in_an_english_figure_too() -> None:
    assert len(style.png(plain("en", title="犬と猫"))) > 0


def test_dollar_signs_are_no_formulas() -> None:
    figure = plain("en", title="US$ and CA$_2^")
    assert figure.texts[0].get_text() == "US$ and CA$_2^"
    assert not figure.texts[0].get_parse_math()


def test_ticks_made_later_keep_the_font() -> None:
    figure = plain("ja")
    figure.axes[0].set_ylim(-30, 30)
    figure.draw_without_rendering()
    families = {tuple(label.get_fontfamily()) for label in figure.axes[0].get_yticklabels()}
    assert families == {("IPAexGothic", "DejaVu Sans")}


def test_png_is_the_same_for_the_same_figure() -> None:
    first, second = style.png(plain("en")), style.png(plain("en"))
    assert first == second
    assert first.startswith(b"\x89PNG") and b"matplotlib" not in first.lower()


def test_a_model_has_its_colour_whatever_stands_beside_it() -> None:
    assert style.colours(["cnn"])["cnn"] == style.colours(["other", "dense", "cnn"])["cnn"]
    assert style.colours(["dense", "mine"])["mine"] != style.MODEL_COLOURS["dense"]
    chosen = style.colours(["mine", "cnn", "a", "b"], baseline="mine")
    assert chosen["mine"] == style.BASELINE_COLOUR
    assert len(set(chosen.values())) == 4


def test_more_names_than_colours_still_get_one_each() -> None:
    assert len(style.colours(f"variant {number}" for number in range(30))) == 30


# Machado, Oliveira & Fernandes 2009, severity 1: what people without one cone type see.
MACHADO = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def linear(colour: str) -> np.ndarray:
    rgb = np.array(to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    ) @ np.clip(rgb, 0, 1)
    f = np.cbrt(np.maximum(xyz / np.array([0.9505, 1, 1.089]), 0.009))
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("sight", [None, *MACHADO])
def test_models_and_kinds_are_told_apart_by_every_eye(sight: str | None) -> None:
    """Distances in CIELAB, where 2.3 is just noticeable; kinds differ by their marker as well."""
    seen = np.eye(3) if sight is None else np.array(MACHADO[sight])
    kinds = [colour for colour, _, _ in style.KINDS.values()]
    for group, least in ((style.MODEL_COLOURS.values(), 20), (kinds, 15)):
        labs = [lab(seen @ linear(colour)) for colour in group]
        assert min(np.linalg.norm(a - b) for a, b in combinations(labs, 2)) > least


def test_lines_and_text_stand_out_from_the_paper() -> None:
    """WCAG contrast with white: 4.5 for text, 3 for lines."""

    def contrast(colour: str) -> float:
        return 1.05 / (float(linear(colour) @ [0.2126, 0.7152, 0.0722]) + 0.05)

    assert min(map(contrast, (style.INK, style.MUTED, style.BAD, style.GOOD))) >= 4.5
    assert min(map(contrast, style.MODEL_COLOURS.values())) >= 3
    assert min(contrast(colour) for colour, _, _ in style.KINDS.values()) >= 3


def test_splits_differ_by_line_and_not_only_by_colour() -> None:
    assert style.SPLIT_LINES["probe"] == style.SPLIT_LINES["train"] == "-"
    assert style.SPLIT_LINES["val"] == style.SPLIT_LINES["test"] != "-"
    assert len({marker + str(full) for _, marker, full in style.KINDS.values()}) == len(style.KINDS)


def test_legends_read_row_by_row(problems) -> None:
    names = [f"entry number {number}" for number in range(7)]
    with style.theme("en"):
        figure = style.sheet(width=6, height=2)
        figure.subplots()
        style.frame(figure, "t", "", [style.key(name) for name in names])
        figure.draw_without_rendering()
    boxes = {text.get_text(): text.get_window_extent() for text in figure.legends[0].get_texts()}
    places = sorted(names, key=lambda name: (-round(boxes[name].y0), boxes[name].x0))
    assert places == names
    assert problems(figure) == []


def test_title_legend_and_note_make_room_for_themselves(problems) -> None:
    bare, full = plain("en"), plain("en", title="long title " * 15, note="a note " * 60)
    assert full.get_size_inches()[1] > bare.get_size_inches()[1] + 0.5
    assert problems(full) == []
    drawing = [figure.axes[0].get_window_extent().height for figure in (bare, full)]
    assert drawing[0] == pytest.approx(drawing[1], abs=12)


def test_wrapped_breaks_between_words_and_between_japanese_letters() -> None:
    assert style.wrapped("one two three", 0.9, 10) == "one two\nthree"
    assert style.wrapped("学習画像です。", 0.6, 10) == "学習画像\nです。"
    assert style.wrapped("学習画像。", 0.6, 10) == "学習画\n像。"
    assert style.wrapped("a\nb", 5, 10) == "a\nb"
    assert style.wrapped("indivisible", 0.1, 10) == "indivisible"
    assert style.wrapped("", 1, 10) == ""


def test_text_inches_agrees_with_what_is_drawn() -> None:
    with style.theme("en"):
        figure = Figure(figsize=(9, 1))
        drawn = figure.text(0, 0, "What is taken for what, 12 images").get_window_extent().width
    estimated = style.text_inches("What is taken for what, 12 images", 10.5) * 100
    assert estimated == pytest.approx(drawn, rel=0.03)


def test_short_and_fitted_cut_with_an_ellipsis() -> None:
    assert style.short("Ankle boot", 18) == "Ankle boot"
    assert style.short("a very long class name", 10) == "a very lo…"
    assert style.short("とても長いクラスの名前", 10) == "とても長…"
    assert style.fitted("cat", 1, 9) == "cat"
    cut = style.fitted("pickup_truck_with_trailer", 0.8, 9)
    assert cut.endswith("…") and style.text_inches(cut, 9) <= 0.8
    assert style.fitted("x", 0.001, 9) == "x"


def test_percent_ticks_are_round_and_exact() -> None:
    with style.theme("en"):
        axes = Figure().subplots()
        axes.set_ylim(0.8, 1.0)
        style.percent(axes.yaxis)
        axes.figure.draw_without_rendering()
        labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["80%", "85%", "90%", "95%", "100%"]
