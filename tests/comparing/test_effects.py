import numpy as np
import pytest
from scipy import stats

from overfit_atlas.estimates import Estimate
from pipeline.comparing.effects import Pair, as_row
from pipeline.comparing.kinds import kind
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
    found = Pair(base, other).effects(0.95)["val_loss"]
    differences = np.array([-0.2, -0.1, -0.3])
    half = stats.t.ppf(0.975, 2) * differences.std(ddof=1) / np.sqrt(3)
    assert found.value == pytest.approx(-0.2)
    # All images agree, so only the seeds make the interval.
    assert (found.low, found.high) == pytest.approx((-0.2 - half, -0.2 + half))
    assert (found.num_seeds, found.num_images) == (3, 4)


def test_images_are_paired_where_both_saw_the_same():
    val = np.array([[0.0, 10.0, 20.0, 30.0]] * 2)
    base, other = scores(val, val), scores(val + 1, val + 1)
    found = Pair(base, other).effects(0.95)
    assert (found["val_loss"].low, found["val_loss"].high) == pytest.approx((1, 1))
    assert found["gap_loss"].low == found["gap_loss"].high == pytest.approx(0)
    apart = Pair(base, other, same_probe=False).effects(0.95)["gap_loss"]
    assert apart.se_images == pytest.approx(np.hypot(*[val[0].std(ddof=1) / 2] * 2))


def test_probes_of_different_sizes_can_be_compared():
    base = scores([[1.0, 2.0]] * 2, [[0.5, 0.7]] * 2)
    other = scores([[1.0, 2.0]] * 2, [[0.1, 0.2, 0.3]] * 2)
    found = Pair(base, other).effects(0.95)
    assert found["gap_loss"].value == pytest.approx(0.4)
    assert found["val_loss"].value == 0


def test_a_score_that_is_not_known_gives_no_effect():
    base = scores([[1.0, 2.0]] * 2, [[0.5, 0.7]] * 2, ece=[0.1, np.nan])
    assert "ece" not in Pair(base, base).effects(0.95)


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


def between(low, high):
    return Estimate((low + high) / 2, low, high, 5)


@pytest.mark.parametrize(
    ("held_out", "gap", "expected"),
    [
        ((-0.3, -0.1), (-0.3, -0.1), "cures"),
        ((-0.3, 0.1), (-0.3, -0.1), "masks"),
        ((0.1, 0.3), (-0.3, -0.1), "harms"),
        ((0.1, 0.3), (0.1, 0.3), "harms"),
        ((-0.3, -0.1), (-0.1, 0.1), "improves"),
        ((-0.3, -0.1), (0.1, 0.3), "improves"),
        ((-0.1, 0.1), (-0.1, 0.1), "no effect"),
        ((-0.1, 0.1), (0.1, 0.3), "no effect"),
        ((-0.2, 0.0), (-0.2, 0.0), "no effect"),
    ],
)
def test_the_class_of_a_remedy(held_out, gap, expected):
    assert kind(between(*held_out), between(*gap)) == expected


def test_nothing_is_classed_without_intervals():
    assert kind(None, between(-1, -0.5)) is None
    assert kind(Estimate(-1, None, None, 1), between(-1, -0.5)) is None


def test_a_row_of_the_table():
    row = as_row(Estimate(0.5, 0.25, 0.75, 3, 400))
    assert row == {"effect": 0.5, "low": 0.25, "high": 0.75, "num_seeds": 3, "num_images": 400}
