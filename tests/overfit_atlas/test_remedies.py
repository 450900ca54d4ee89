import numpy as np
import pytest
from scipy import stats

from overfit_atlas import remedies
from overfit_atlas.estimates import Estimate
from overfit_atlas.remedies import InvalidDifference, kind


def crossed(generator, num_seeds=4, num_images=60, image=1.0, seed=0.3, rest=0.5):
    """Differences whose true mean is 0, by the crossed random model."""
    return (
        image * generator.standard_normal(num_images)
        + seed * generator.standard_normal((num_seeds, 1))
        + rest * generator.standard_normal((num_seeds, num_images))
    )


def by_anova(table):
    """Variance of the mean and its degrees of freedom, from the mean squares as textbooks do."""
    num_seeds, num_images = table.shape
    rows, columns = table.mean(1), table.mean(0)
    rest = table - rows[:, None] - columns + table.mean()
    of_seeds = num_images * rows.var(ddof=1)
    of_images = num_seeds * columns.var(ddof=1)
    left = (rest**2).sum() / ((num_seeds - 1) * (num_images - 1))
    variance = (of_seeds + of_images - left) / table.size
    spent = of_seeds**2 / (num_seeds - 1) + of_images**2 / (num_images - 1)
    spent += left**2 / ((num_seeds - 1) * (num_images - 1))
    return variance, (variance * table.size) ** 2 / spent


def test_the_interval_of_one_change_is_that_of_the_two_way_method_of_moments():
    table = crossed(np.random.default_rng(3))
    found = remedies.effects({"a": [table]}, 0.95)["a"]
    variance, freedom = by_anova(table)
    half = stats.t.ppf(0.975, freedom) * np.sqrt(variance)
    assert found.value == pytest.approx(table.mean())
    assert (found.low, found.high) == pytest.approx((table.mean() - half, table.mean() + half))
    assert (found.num_seeds, found.num_images) == (4, 60)
    assert found.se_images**2 + found.se_seeds**2 == pytest.approx(variance)


def test_a_gap_adds_the_images_of_both_splits():
    generator = np.random.default_rng(5)
    val, probe = (crossed(generator, seed=0, rest=0) for _ in range(2))
    found = remedies.effects({"a": [val, -probe]}, 0.95)["a"]
    errors = [table[0].std(ddof=1) / np.sqrt(60) for table in (val, probe)]
    assert found.value == pytest.approx(val.mean() - probe.mean())
    assert found.se_images == pytest.approx(np.hypot(*errors))
    assert found.se_seeds == 0


def test_parts_may_have_other_numbers_of_images():
    found = remedies.effects({"a": [np.ones((2, 4)), np.full((2, 7), 2.0)]}, 0.95)["a"]
    assert (found.value, found.low, found.high, found.num_images) == (3, 3, 3, 7)


def test_signs_flipped_in_closed_form_are_those_of_the_flipped_array():
    """The t values of flips come from sums; here from the flipped array itself."""
    table = crossed(np.random.default_rng(7), num_seeds=3, num_images=11)
    one = remedies._Crossed.of("a", [table])
    signs = remedies._Signs(20, 0)
    found = one.flipped(signs)
    centred = table - table.mean()
    rows = centred.mean(1, keepdims=True)
    for place in range(20):
        of_image, of_seed = signs.of(1, 11)[place], signs.of(0, 3)[place][:, None]
        images = centred.mean(0)
        rest = centred - rows - images
        flipped = of_image * images + of_seed * rows + of_image * of_seed * rest
        error = remedies._Crossed.of("a", [flipped]).error().total
        assert found[place] == pytest.approx(flipped.mean() / error)


def test_intervals_of_several_changes_hold_together_where_single_ones_do_not():
    generator = np.random.default_rng(11)
    together, alone = 0, 0
    for _ in range(60):
        shared = crossed(generator)
        changes = {str(n): [0.6 * shared + 0.8 * crossed(generator)] for n in range(6)}
        found = remedies.effects(changes, 0.9, num_flips=100)
        together += all(one.low <= 0 <= one.high for one in found.values())
        single = {name: remedies.effects({name: one}, 0.9)[name] for name, one in changes.items()}
        alone += all(one.low <= 0 <= one.high for one in single.values())
    assert 48 <= together <= 60  # 54 are expected, the standard error is 2.3
    assert alone < together - 5


def test_simultaneous_intervals_lie_between_single_ones_and_bonferroni():
    generator = np.random.default_rng(4)
    changes = {str(n): [crossed(generator)] for n in range(6)}
    for name, one in remedies.effects(changes, 0.9).items():
        single, most = (
            remedies.effects({name: changes[name]}, confidence)[name].high
            for confidence in (0.9, 1 - 0.1 / 6)
        )
        assert single < one.high <= most + 1e-9


def test_changes_that_move_as_one_need_no_correction():
    table = crossed(np.random.default_rng(2))
    found = remedies.effects({str(n): [table] for n in range(5)}, 0.95)
    alone = remedies.effects({"a": [table]}, 0.95)["a"]
    assert found["0"].high == found["4"].high
    assert alone.high <= found["0"].high < alone.high + 0.25 * (alone.high - alone.value)


def test_no_changes_have_no_effects_and_one_seed_is_refused():
    assert remedies.effects({}, 0.95) == {}
    with pytest.raises(InvalidDifference, match=r"effect of 'L2': got arrays of shapes \[\(1, 9\)"):
        remedies.effects({"L2": [np.zeros((1, 9))]}, 0.95)
    with pytest.raises(InvalidDifference, match="the same seeds"):
        remedies.effects({"L2": [np.zeros((2, 9)), np.zeros((3, 9))]}, 0.95)


def between(low, high):
    return Estimate((low + high) / 2, low, high, 5)


@pytest.mark.parametrize(
    ("held_out", "gap", "expected"),
    [
        ((-0.3, -0.2), (-0.3, -0.2), "cures"),
        ((-0.3, -0.2), (-0.05, 0.3), "improves"),
        ((-0.3, -0.2), (-0.3, 0.05), "unclear"),
        ((-0.05, 0.05), (-0.3, -0.2), "masks"),
        ((0.2, 0.3), (-0.3, -0.2), "harms"),
        ((0.2, 0.3), (-0.3, 0.3), "harms"),
        ((-0.05, 0.05), (-0.05, 0.05), "no effect"),
        ((-0.05, 0.05), (0.2, 0.3), "no effect"),
        ((-0.05, 0.05), (-0.3, 0.05), "unclear"),
        ((-0.3, 0.05), (-0.3, -0.2), "unclear"),
        ((-0.3, -0.05), (-0.3, -0.02), "cures"),
        ((-0.08, -0.02), (-0.3, -0.2), "masks"),
        ((-0.3, -0.2), (-0.08, -0.02), "improves"),
        ((0.02, 0.3), (-0.05, 0.05), "harms"),
        ((0.02, 0.08), (-0.05, 0.05), "no effect"),
        ((-0.1, 0.05), (-0.05, 0.05), "unclear"),
    ],
)
def test_a_change_is_classed_where_its_intervals_allow_one_class(held_out, gap, expected):
    assert kind(between(*held_out), between(*gap), 0.1) == expected


def test_nothing_is_classed_without_intervals():
    assert kind(None, between(-1, -0.5), 0.1) is None
    assert kind(Estimate(-1, None, None, 1), between(-1, -0.5), 0.1) is None
