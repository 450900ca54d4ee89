import numpy as np
import pytest

from tests.overfit_atlas import synthetic
from tests.overfit_atlas.synthetic import KINDS


@pytest.mark.parametrize("kind", list(KINDS))
def test_equal_arguments_give_equal_histories(kind):
    first, second = (synthetic.make(kind, 3, 1) for _ in range(2))
    assert first.histories[0].curves.equals(second.histories[0].curves)
    assert first.onsets == second.onsets
    other = synthetic.make(kind, 4, 1).histories[0]
    assert not first.histories[0].curves.equals(other.curves)


def test_sizes_are_as_stated():
    cases = [synthetic.make("ideal", seed) for seed in range(30)]
    assert {len(case.histories) for case in cases} == {1, 3, 5}
    epochs = [case.histories[0].num_epochs for case in cases]
    images = [case.histories[0].per_image.val_loss.shape[1] for case in cases]
    assert min(epochs) >= 15 and max(epochs) <= 60
    assert min(images) >= 400 and max(images) <= 2000


def test_the_curve_is_the_mean_of_its_images():
    history = synthetic.make("overfit 1", 0, 1).histories[0]
    images = history.per_image.val_loss.astype(float)
    assert history.series("val", "loss") == pytest.approx(images.mean(1), rel=2e-3)
    correct = history.per_image.val_correct
    assert history.series("val", "accuracy") == pytest.approx(correct.mean(1))


def test_losses_have_a_heavy_tail_and_stay_with_their_image():
    images = synthetic.make("ideal", 1, 1).histories[0].per_image.val_loss[-5:].astype(float)
    last = np.sort(images[-1])[::-1]
    assert last[: len(last) // 10].sum() > 0.35 * last.sum()
    assert np.corrcoef(np.log(images[-1]), np.log(images[-2]))[0, 1] > 0.7


def test_an_overfit_rises_after_its_onset_by_the_strength_it_has():
    for seed in range(5):
        case = synthetic.make("overfit 2", seed, 1)
        history, (onset,) = case.histories[0], case.onsets
        val = history.series("val", "loss")
        assert case.clear
        assert val[-1] > 1.8 * val[onset - 1]
        assert history.series("probe", "loss")[-1] < history.series("probe", "loss")[onset - 1]


@pytest.mark.parametrize("kind", ["ideal", "noisy plateau", "underfit", "by heart"])
def test_what_does_not_rise_has_no_onset(kind):
    case = synthetic.make(kind, 0)
    assert set(case.onsets) == {None}
    assert not case.clear
    assert case.verdict == KINDS[kind][0]


def test_the_reference_is_far_above_an_underfit_only():
    underfit, ideal = synthetic.make("underfit", 0), synthetic.make("ideal", 0)
    for case, ahead in ((underfit, 0.15), (ideal, -0.06)):
        best = max(one.series("probe", "accuracy")[-1] for one in case.histories)
        assert case.reference - best >= ahead
    assert ideal.reference <= 1


def test_a_broken_fit_ends_in_nan():
    history = synthetic.make("nan at the end", 0, 1).histories[0]
    assert np.isnan(history.series("val", "loss")[-3:]).all()
    assert history.failed is not None
