"""The judge of the other tests: it must complain of what cannot be read, and of nothing else."""

from matplotlib.figure import Figure


def drawing(**labels: str) -> Figure:
    figure = Figure(figsize=(4, 3), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1])
    axes.set(**labels)
    return figure


def test_a_plain_figure_has_no_problem(problems) -> None:
    assert problems(drawing(title="a title", xlabel="x", ylabel="y")) == []


def test_what_is_cut_off_is_noticed(problems) -> None:
    assert any("cut off: 'wide wide" in found for found in problems(drawing(xlabel="wide " * 20)))


def test_colliding_ticks_are_noticed(problems) -> None:
    figure = drawing()
    figure.axes[0].set_xticks([0.5, 0.52], ["first tick", "second tick"])
    assert problems(figure) == ["ticks overlap: 'first tick' and 'second tick'"]


def test_ticks_outside_the_limits_are_not_drawn_and_not_judged(problems) -> None:
    figure = drawing()
    figure.axes[0].set_xticks([0.5, 7, 7.001], ["in", "out and far away", "out"])
    figure.axes[0].set_xlim(0, 1)
    assert problems(figure) == []


def test_colliding_labels_of_neighbours_are_noticed(problems) -> None:
    figure = Figure(figsize=(4, 3), layout="constrained")
    for axes in figure.subplots(1, 2):
        axes.set_xlabel("a label far wider than this panel is")
    assert any(found.startswith("labels overlap") for found in problems(figure))


def test_text_of_the_figure_on_the_axes_is_noticed(problems) -> None:
    figure = drawing()
    figure.text(0.5, 0.5, "note")
    assert problems(figure) == ["on the drawing: 'note'"]


def test_tiny_text_is_noticed(problems) -> None:
    figure = drawing()
    figure.axes[0].text(0.5, 0.5, "small", fontsize=3)
    assert problems(figure) == ["too small: 'small'"]
