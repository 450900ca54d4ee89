"""Confident learning on probabilities written by hand, and on planted labels."""

import numpy as np
import pytest

from overfit_atlas import suspicious_labels
from overfit_atlas.errors import AtlasError
from overfit_atlas.estimates import wilson

SURE = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.4, 0.6], [0.2, 0.8], [0.1, 0.9]])
LABELS = np.array([0, 0, 0, 1, 1, 1])
# Thresholds: (0.9 + 0.8 + 0.1) / 3 = 0.6 and (0.6 + 0.8 + 0.9) / 3 = 0.767. Confident: images 0 and
# 1 of class 0, 2, 4 and 5 of class 1; so 2 is counted as wrong.


def test_by_hand() -> None:
    table = suspicious_labels(SURE, LABELS)
    assert table["suspicious"].tolist() == [False, False, True, False, False, False]
    assert table["suggested"].tolist() == [1, 1, 1, 0, 0, 0]
    assert table["suggested_chance"].tolist() == pytest.approx(table["suspicion"].tolist())
    assert sorted(table["rank"]) == [1, 2, 3, 4, 5, 6]
    assert table["probability"].tolist() == [0.9, 0.8, 0.1, 0.6, 0.8, 0.9]
    ranked = table.sort_values("rank")
    means = np.cumsum(ranked["suspicion"]) / np.arange(1, 7)
    assert ranked["expected_precision"].tolist() == pytest.approx(means.tolist())


def test_where_nets_are_certain_the_chance_of_a_wrong_label_is_a_count() -> None:
    true = np.repeat([0, 1], 1000)
    labels = np.where(np.arange(2000) % 10 == 0, 1 - true, true)
    table = suspicious_labels(np.eye(2)[true], labels)
    assert (table["suspicion"][labels != true] > 0.99).all()
    assert (table["suspicion"][labels == true] < 0.01).all()


def drawn(wrong: float, seed: int, sharpness: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities of overlapping classes, labels with this share of wrong ones, and which."""
    generator = np.random.default_rng(seed)
    true = generator.integers(0, 4, 2000)
    bad = generator.random(2000) < wrong
    labels = np.where(bad, (true + generator.integers(1, 4, 2000)) % 4, true)
    scores = generator.normal(size=(2000, 4))
    scores[np.arange(2000), true] += 2.5
    likelihoods = np.exp(2.5 * sharpness * scores)  # 1: of normal scores that differ by 2.5
    return likelihoods / likelihoods.sum(1, keepdims=True), labels, bad


@pytest.mark.parametrize("sharpness", [0.5, 1, 2])
def test_the_precision_is_as_expected_however_sure_the_nets_are(sharpness: float) -> None:
    top, wrong, expected = 0, 0, 0.0
    for seed in range(3):
        sure, labels, bad = drawn(0.1, seed, sharpness)
        table = suspicious_labels(sure, labels)
        listed = table[table["suspicion"] >= 0.5]
        top += len(listed)
        wrong += int(bad[listed["image"]].sum())
        expected += listed["suspicion"].sum()
    low, high = wilson(wrong / top, top, 0.95)
    assert top > 300 and low < expected / top < high


@pytest.mark.parametrize("sharpness", [0.5, 1, 2])
def test_where_classes_overlap_and_nothing_is_wrong_hardly_a_label_is_named(
    sharpness: float,
) -> None:
    sure, labels, _ = drawn(0, 3, sharpness)
    table = suspicious_labels(sure, labels)
    assert (sure.argmax(1) != labels).sum() > 100
    assert (table["suspicion"] >= 0.5).sum() <= 5 and table["suspicion"].sum() < 0.02 * 2000


def test_a_class_without_images_or_confidence_breaks_nothing() -> None:
    sure = np.array([[0.4, 0.3, 0.3], [0.4, 0.3, 0.3]])
    table = suspicious_labels(sure, np.array([1, 1]))
    assert table["suspicion"].between(0, 1).all()
    assert table["suspicious"].tolist() == [False, False]


@pytest.mark.parametrize(
    ("sure", "labels", "said"),
    [
        (SURE, LABELS[:3], r"shape \(6, 2\) and labels of \(3,\)"),
        (SURE, LABELS + 1, "from 1 to 2, expected whole numbers from 0 to 1"),
        (SURE, LABELS.astype(float), "labels of float64"),
        (SURE * np.nan, LABELS, "not finite"),
    ],
)
def test_what_does_not_fit_is_refused(sure: object, labels: object, said: str) -> None:
    with pytest.raises(AtlasError, match=said):
        suspicious_labels(sure, labels)  # type: ignore[arg-type]
