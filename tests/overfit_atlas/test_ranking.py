import numpy as np
import pytest

from overfit_atlas import ranking
from overfit_atlas.scoring.scores import Predictions

# One seed, four images of two classes (0, 0, 1, 1); class 2 has none. The chance of class 1 puts
# one image of class 0 between its own: of four pairs three are in order.
CHANCE_OF_1 = np.array([0.1, 0.6, 0.5, 0.8])
PREDICTIONS = Predictions(
    np.stack([0.95 - CHANCE_OF_1, CHANCE_OF_1, np.full(4, 0.05)], axis=-1)[None],
    np.array([0, 0, 1, 1]),
)
NAMES = ("a", "b", "c")


def test_areas_are_shares_of_pairs_in_order_and_precisions_where_one_is_found() -> None:
    found = ranking.areas(PREDICTIONS, NAMES).set_index("class_name")
    assert found.loc["b", "roc_auc"] == pytest.approx(3 / 4)
    assert found.loc["b", "average_precision"] == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert found.loc["c", ["roc_auc", "average_precision"]].isna().all()


def test_curves_go_from_nothing_found_to_all_found() -> None:
    found = ranking.curves(PREDICTIONS, NAMES)
    assert set(found["class_name"]) == {"a", "b"}
    roc = found[(found["class_name"] == "b") & (found["curve"] == "roc")]
    points = list(zip(roc["x"], roc["y"], strict=True))
    assert points == [(0, 0), (0, 0.5), (0.5, 0.5), (0.5, 1), (1, 1)]


def test_of_many_classes_the_worst_can_be_drawn_alone() -> None:
    areas = ranking.areas(PREDICTIONS, NAMES)
    assert areas["average_precision"].tolist()[:2] == [1 / 2 + 1 / 3, 1 / 2 + 1 / 3]
    areas.loc[1, "average_precision"] = 0.1
    assert ranking.worst(areas, 5) == [1, 0] and ranking.worst(areas, 1) == [1]
    assert set(ranking.curves(PREDICTIONS, NAMES, [1])["class_name"]) == {"b"}


def test_curves_of_many_images_are_thinned_and_keep_their_ends() -> None:
    random = np.random.default_rng(0)
    chances = random.dirichlet([1, 1], (1, 3000))
    found = ranking.curves(Predictions(chances, random.integers(0, 2, 3000)), ("a", "b"))
    assert found.groupby(["class_name", "curve"]).size().max() == ranking.MOST_POINTS
    roc = found[(found["class_name"] == "a") & (found["curve"] == "roc")]
    assert (roc["x"].iloc[[0, -1]].tolist(), roc["y"].iloc[[0, -1]].tolist()) == ([0, 1], [0, 1])


def test_a_class_counts_if_it_is_among_the_likeliest() -> None:
    assert ranking.top_accuracy(PREDICTIONS, 1) == pytest.approx(3 / 4)
    assert ranking.top_accuracy(PREDICTIONS, 2) == 1
    rng = np.random.default_rng(0)
    shares, labels = rng.dirichlet(np.ones(6), (3, 50)).round(1), rng.integers(0, 6, 50)
    likeliest = np.argsort(-shares, axis=-1, kind="stable")[..., :2]  # of equals the first
    expected = (likeliest == labels[:, None]).any(-1).mean()
    assert ranking.top_accuracy(Predictions(shares, labels), 2) == expected
