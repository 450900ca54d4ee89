import numpy as np
import pytest

from pipeline.comparing import ensembles


def mean_of(probabilities):
    return {"mean": float(probabilities.mean()), "square": float(probabilities.mean() ** 2)}


def seeds_of(probabilities, members, score):
    found = ensembles.averaged(probabilities, members, score)
    return {name: one.seeds for name, one in found.items()}


def test_a_score_that_is_linear_gives_each_seed_its_own_value():
    own = np.array([0.2, 0.5, 0.9, 0.4])
    probabilities = own[:, None, None] * np.ones((4, 3, 2))
    values = seeds_of(probabilities, 2, mean_of)
    # U = mean(own), U without s = mean of the others, so n U - (n - 1) U_s = own[s].
    assert values["mean"] == pytest.approx(own)


def test_the_mean_of_the_pseudo_values_is_the_mean_over_all_choices():
    own = np.array([1.0, 2.0, 4.0])
    values = seeds_of(own[:, None, None] * np.ones((3, 1, 1)), 2, mean_of)
    expected = np.mean([1.5**2, 2.5**2, 3.0**2])
    assert values["square"].mean() == pytest.approx(expected)


def test_the_mean_is_repeated_for_every_seed():
    found = ensembles.averaged(np.ones((3, 4, 2)), 2, lambda mean: {"image": mean[:, 0]})["image"]
    assert found.mean.shape == (4,) and found.repeated.shape == found.seeds.shape == (3, 4)


def test_their_spread_gives_the_variance_that_independent_repetitions_show():
    generator = np.random.default_rng(0)

    def square(probabilities):
        return {"square": float((1 + probabilities.mean()) ** 2)}

    means, guesses = [], []
    for _ in range(400):
        fits = generator.normal(0, 0.1, (6, 1, 1))
        values = seeds_of(fits, 3, square)["square"]
        means.append(values.mean())
        guesses.append(values.var(ddof=1) / 6)
    assert np.mean(guesses) == pytest.approx(np.var(means), rel=0.15)


def test_arrays_are_treated_number_by_number():
    fits = np.random.default_rng(1).random((4, 5, 3))
    values = seeds_of(fits, 3, lambda mean: {"image": -np.log(mean[:, 0])})["image"]
    assert values.shape == (4, 5)
    first = seeds_of(fits, 3, lambda mean: {"one": -np.log(mean[2, 0])})["one"]
    assert values[:, 2] == pytest.approx(first)


def test_all_choices_are_tried_once():
    assert ensembles.choices(4, 3) == [(0, 1, 2), (0, 1, 3), (0, 2, 3), (1, 2, 3)]


@pytest.mark.parametrize(("seeds", "members"), [(3, 3), (3, 4), (3, 0), (40, 20)])
def test_impossible_choices_are_refused(seeds, members):
    with pytest.raises(ValueError, match="members"):
        ensembles.choices(seeds, members)
