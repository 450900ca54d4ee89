"""Confident learning on probabilities written by hand, and on planted labels."""

import numpy as np
import pytest

from overfit_atlas import suspicious_labels
from overfit_atlas.errors import AtlasError

SURE = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.4, 0.6], [0.2, 0.8], [0.1, 0.9]])
LABELS = np.array([0, 0, 0, 1, 1, 1])
# Thresholds: (0.9 + 0.8 + 0.1) / 3 = 0.6 and (0.6 + 0.8 + 0.9) / 3 = 0.767. Confident: images 0 and
# 1 of class 0, 2, 4 and 5 of class 1; joint [[2, 1], [0, 2]], rows 3 and 3: [[2, 1], [0, 3]].
# P(label | class): class 0 (1, 0), class 1 (1/4, 3/4).


def test_by_hand() -> None:
    table = suspicious_labels(SURE, LABELS)
    wrong = [p * 0.25 / (p * 0.25 + (1 - p)) for p in (0.1, 0.2, 0.9)]
    assert table["suspicion"].tolist() == pytest.approx([*wrong, 0, 0, 0])
    assert table["suspicious"].tolist() == [False, False, True, False, False, False]
    assert table["suggested"].tolist() == [1, 1, 1, 0, 0, 0]
    assert table["suggested_chance"].tolist() == pytest.approx([*wrong, 0, 0, 0])
    assert table["rank"].tolist() == [3, 2, 1, 4, 5, 6]
    assert table["probability"].tolist() == [0.9, 0.8, 0.1, 0.6, 0.8, 0.9]
    assert table["expected_precision"][2] == pytest.approx(wrong[2])
    assert table["expected_precision"][0] == pytest.approx(sum(wrong) / 3)


def test_planted_labels_come_first_and_the_precision_is_as_expected() -> None:
    generator = np.random.default_rng(0)
    true = generator.integers(0, 4, 2000)
    bad = generator.random(2000) < 0.1
    labels = np.where(bad, (true + generator.integers(1, 4, 2000)) % 4, true)
    scores = generator.normal(size=(2000, 4))
    scores[np.arange(2000), true] += 3
    likelihoods = np.exp(3 * scores)  # of normal scores that differ by 3
    sure = likelihoods / likelihoods.sum(1, keepdims=True)
    table = suspicious_labels(sure, labels).sort_values("rank")
    first = table.head(100)
    assert bad[first["image"]].mean() == pytest.approx(
        first["expected_precision"].iloc[-1], abs=0.1
    )
    assert bad[first["image"]].mean() > 0.85
    assert bad[table["image"].tail(1000)].mean() < 0.01


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
