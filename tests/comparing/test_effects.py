import numpy as np
import pytest
from scipy import stats

from overfit_atlas.estimates import Estimate
from pipeline.comparing.effects import Pair, as_row, effects
from pipeline.comparing.scoring import Scores


def scores(val, probe, **values):
    val, probe = np.asarray(val, float), np.asarray(probe, float)
    images = {"val_loss": val, "probe_loss": probe}
    return Scores(
        (1,) * len(val),
        {
            "val_loss": val.mean(1),
            "probe_loss": probe.mean(1),
            "gap_loss": val.mean(1) - probe.mean(1),
            **{name: np.asarray(each, float) for name, each in values.items()},
        },
        images,
    )


def test_an_effect_is_paired_by_seed():
    base = scores([[1.0] * 4, [5.0] * 4, [9.0] * 4], [[0.5] * 4] * 3)
    other = scores([[0.8] * 4, [4.9] * 4, [8.7] * 4], [[0.5] * 4] * 3)
    found = effects({"a": Pair(base, other)}, 0.95)["a"]["val_loss"]
    differences = np.array([-0.2, -0.1, -0.3])
    half = stats.t.ppf(0.975, 2) * differences.std(ddof=1) / np.sqrt(3)
    assert found.value == pytest.approx(-0.2)
    # All images agree, so only the seeds make the interval.
    assert (found.low, found.high) == pytest.approx((-0.2 - half, -0.2 + half))
    assert (found.num_seeds, found.num_images) == (3, 4)


def test_images_are_paired_where_both_saw_the_same():
    val = np.array([[0.0, 10.0, 20.0, 30.0]] * 2)
    base, other = scores(val, val), scores(val + 1, val + 1)
    found = effects({"a": Pair(base, other)}, 0.95)["a"]
    assert (found["val_loss"].low, found["val_loss"].high) == pytest.approx((1, 1))
    assert found["gap_loss"].low == found["gap_loss"].high == pytest.approx(0)
    apart = effects({"a": Pair(base, other, same_probe=False)}, 0.95)["a"]["gap_loss"]
    assert apart.se_images == pytest.approx(np.hypot(*[val[0].std(ddof=1) / 2] * 2))


def test_probes_of_different_sizes_can_be_compared():
    base = scores([[1.0, 2.0]] * 2, [[0.5, 0.7]] * 2)
    other = scores([[1.0, 2.0]] * 2, [[0.1, 0.2, 0.3]] * 2)
    found = effects({"a": Pair(base, other)}, 0.95)["a"]
    assert found["gap_loss"].value == pytest.approx(0.4)
    assert found["val_loss"].value == 0


def test_a_gap_in_accuracy_is_probe_minus_val():
    base = Scores((1, 1), {"gap_accuracy": np.zeros(2)}, {
        "val_accuracy": np.ones((2, 4)), "probe_accuracy": np.ones((2, 4))
    })  # fmt: skip
    other = Scores((1, 1), {"gap_accuracy": np.full(2, 0.25)}, {
        "val_accuracy": np.array([[1, 1, 1, 0]] * 2), "probe_accuracy": np.ones((2, 4))
    })  # fmt: skip
    found = effects({"a": Pair(base, other)}, 0.95)["a"]["gap_accuracy"]
    assert found.value == pytest.approx(0.25)


def test_a_score_that_is_not_known_gives_no_effect():
    base = scores([[1.0, 2.0]] * 2, [[0.5, 0.7]] * 2, ece=[0.1, np.nan])
    assert "ece" not in effects({"a": Pair(base, base)}, 0.95)["a"]


def test_a_score_over_classes_is_corrected_for_the_number_of_variants():
    base = scores([[1.0, 2.0]] * 3, [[0.5, 0.7]] * 3, ece=[0.1, 0.2, 0.3])
    other = scores([[1.0, 2.0]] * 3, [[0.5, 0.7]] * 3, ece=[0.2, 0.4, 0.6])
    pair = Pair(base, other)
    alone, first = (
        effects(pairs, 0.9)["a"]["ece"] for pairs in ({"a": pair}, {"a": pair, "b": pair})
    )
    spread = np.std([0.1, 0.2, 0.3], ddof=1) / np.sqrt(3)
    assert alone.high - alone.value == pytest.approx(stats.t.ppf(0.95, 2) * spread)
    assert first.high - first.value == pytest.approx(stats.t.ppf(0.975, 2) * spread)


def test_the_effect_on_each_class():
    f1 = np.zeros((2, 11, 3))
    f1[:, :, 0] = 0.5
    better = f1.copy()
    better[:, :, 0] = [[0.7] * 11, [0.9] * 11]
    base = Scores((1, 1), {"val_loss": np.zeros(2)}, classes=f1)
    other = Scores((1, 1), {"val_loss": np.zeros(2)}, classes=better)
    first, second, _ = Pair(base, other).class_effects(0.95)
    assert (first.base, first.other) == pytest.approx((0.5, 0.8))
    assert first.effect.value == pytest.approx(0.3)
    half = stats.t.ppf(0.975, 1) * 0.2 / np.sqrt(2) / np.sqrt(2)
    assert first.effect.low == pytest.approx(0.3 - half)
    assert second.effect.value == 0
    assert Pair(base, scores([[1.0]], [[1.0]])).class_effects(0.95) == []


def test_a_row_of_the_table():
    row = as_row(Estimate(0.5, 0.25, 0.75, 3, 400))
    assert row == {"effect": 0.5, "low": 0.25, "high": 0.75, "num_seeds": 3, "num_images": 400}
