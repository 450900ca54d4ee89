"""Confusions: counts, rates, the order of many classes, the worst pairs."""

import time

import numpy as np
import pandas as pd
import pytest

from pipeline.plots import confusion

NAMES = ("cat", "dog", "ship")
COUNTS = np.array([[6, 3, 1], [2, 8, 0], [0, 0, 5]])


def table(counts: np.ndarray = COUNTS, split: str = "test", names=None) -> pd.DataFrame:
    rows = [
        (split, names[i] if names else i, names[j] if names else j, counts[i, j],
         counts[i, j] / max(counts[i].sum(), 1))
        for i in range(len(counts)) for j in range(len(counts)) if counts[i, j]
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["split", "true", "predicted", "count", "rate"])


@pytest.mark.parametrize("names", [None, NAMES])
def test_classes_may_be_numbers_or_names_and_empty_cells_be_missing(names) -> None:
    rates, counts = confusion.matrix(table(names=names), NAMES, "test")
    np.testing.assert_array_equal(counts, COUNTS)
    np.testing.assert_allclose(rates.sum(axis=1), 1)
    assert rates[0, 1] == pytest.approx(0.3)


def test_other_splits_and_classes_without_images_are_zero() -> None:
    rates, counts = confusion.matrix(table(split="val"), NAMES, "test")
    assert counts.sum() == 0 and rates.sum() == 0


def test_pairs_are_ranked_by_rate_and_not_by_the_size_of_the_class() -> None:
    counts = np.array([[900, 100], [5, 5]])
    pairs = confusion.top_pairs(table(counts), ("large", "small"), "test", 2)
    assert pairs[["true", "predicted"]].values.tolist() == [["small", "large"], ["large", "small"]]


def test_pairs_are_ranked_by_the_lower_bound_where_there_is_one() -> None:
    few_and_many = table().assign(low=lambda t: t["rate"] - 1 / t["count"])
    pairs = confusion.top_pairs(few_and_many, NAMES, "test", 9)
    assert pairs["count"].tolist() == [3, 2, 1]
    assert "ship" not in set(pairs["true"])


def test_confused_classes_become_neighbours() -> None:
    rates = np.eye(6) * 0.6
    for a, b in ((0, 3), (1, 4), (2, 5)):
        rates[a, b] = rates[b, a] = 0.4
    order = confusion.clustered(rates).tolist()
    assert sorted(order) == list(range(6))
    assert all(abs(order.index(a) - order.index(a + 3)) == 1 for a in range(3))


def test_no_mistakes_at_all_still_gives_an_order_and_a_figure(problems) -> None:
    perfect = table(np.diag([5, 5, 5]))
    assert sorted(confusion.clustered(np.eye(30)).tolist()) == list(range(30))
    figure = confusion.confusion_matrix(perfect, NAMES, "en")
    assert problems(figure) == []
    assert "No mistakes." in [text.get_text() for text in figure.axes[1].texts]


def cells(figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_cells_show_percent_or_counts_and_nothing_for_zero() -> None:
    figure = confusion.confusion_matrix(table(), NAMES, "en")
    assert cells(figure) == ["60", "30", "10", "20", "80", "", "", "", "100"]
    counts = confusion.confusion_matrix(table(), NAMES, "en", "count")
    assert cells(counts) == ["6", "3", "1", "2", "8", "", "", "", "5"]
    assert "76.0% of 25 answers" in figure.texts[0].get_text()


def test_few_classes_keep_their_order_and_many_are_clustered_without_numbers() -> None:
    few = confusion.confusion_matrix(table(), NAMES, "en").axes[0]
    assert [label.get_text() for label in few.get_yticklabels()] == list(NAMES)
    counts = np.eye(30, dtype=int) * 9
    counts[0, 29] = counts[29, 0] = 5
    names = [f"c{number}" for number in range(30)]
    figure = confusion.confusion_matrix(table(counts), names, "en")
    order = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert abs(order.index("c0") - order.index("c29")) == 1
    assert cells(figure) == []


def test_of_many_classes_the_figure_shows_those_confused_most(problems) -> None:
    size = 120
    names = [f"class {number}" for number in range(size)]
    counts = 40 * np.eye(size, dtype=int)
    for first in range(30, 110, 2):
        counts[first, first + 1] = first
    drawn = confusion.confusion_matrix(table(counts), names, "en")
    worst = sorted(names[number] for number in range(60, 110))
    axes = drawn.axes[0]
    assert sorted(label.get_text() for label in axes.get_yticklabels()) == worst
    said = " ".join(text.get_text() for text in drawn.texts)
    assert "50 classes confused most, of 120" in said
    assert problems(drawn) == []


def test_where_few_of_many_classes_are_confused_others_stand_beside_them() -> None:
    counts = 9 * np.eye(60, dtype=int)
    counts[58, 59] = 1
    chosen = confusion.most_confused(table(counts), [str(n) for n in range(60)], "test")
    np.testing.assert_array_equal(chosen, [*range(48), 58, 59])


def test_a_thousand_classes_are_drawn_in_seconds() -> None:
    size = 1000
    counts = np.random.default_rng(0).integers(0, 3, (size, size))
    true, predicted = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
    cells = {"true": true, "predicted": predicted, "count": counts, "rate": counts / size}
    confusions = pd.DataFrame({name: cell.ravel() for name, cell in cells.items()})
    begun = time.process_time()
    drawn = confusion.confusion_matrix(
        confusions.assign(split="test"), [str(n) for n in range(size)], "en"
    )
    assert time.process_time() - begun < 20  # 40 s and 9 GB when it showed them all
    assert len(drawn.axes[0].get_yticks()) == 50
