import numpy as np
import pytest

from pipeline.diagnosis import synthetic, tracks
from pipeline.diagnosis.tracks import Track


def test_smoothing_is_causal():
    track = Track(np.array([4.0, 2.0, 3.0, 1.0]))
    assert track.smoothed(3) == pytest.approx([4, 3, 3, 2])
    assert track.smoothed(1).tolist() == [4, 2, 3, 1]


def test_later_epochs_never_change_earlier_smoothed_values():
    rng = np.random.default_rng(0)
    curve = rng.normal(size=30)
    whole = Track(curve).smoothed(5)
    for end in range(1, 30):
        assert Track(curve[:end]).smoothed(5) == pytest.approx(whole[:end])


def test_best_is_the_first_lowest_smoothed_epoch():
    assert Track(np.array([3.0, 1.0, 1.0, 1.0, 1.0, 5.0])).best(3) == 3
    assert Track(np.array([0.0, 1.0, 0.5, 2.0])).best(1, start=1) == 2


def test_noise_is_the_standard_deviation_about_the_trend():
    rng = np.random.default_rng(0)
    trend = 3 * np.exp(-np.arange(2000) / 300)
    noisy = Track(trend + rng.normal(0, 0.05, 2000))
    assert noisy.noise == pytest.approx(0.05, rel=0.06)
    assert Track(trend).noise < 0.003


def test_noise_that_lasts_for_some_epochs_is_seen():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(200):
        wave = rng.normal(0, 1, 60)
        for epoch in range(1, 60):
            wave[epoch] = 0.6 * wave[epoch - 1] + 0.8 * wave[epoch]
        found.append(Track(1 + 0.05 * wave).noise)
    assert np.median(found) == pytest.approx(0.05, rel=0.2)


def test_luck_is_how_far_the_lowest_epoch_lies_below_the_level():
    rng = np.random.default_rng(0)
    track = Track(rng.normal(0, 1, 50))
    reach = track.luck / track.noise
    lowest = [-rng.normal(0, 1, 50).min() for _ in range(2000)]
    assert np.mean(np.array(lowest) < reach) == pytest.approx(0.95, abs=0.02)


def test_noise_of_averages_is_smaller_by_the_root_of_the_window():
    rng = np.random.default_rng(1)
    track = Track(rng.normal(0, 0.05, 4000))
    assert track.trailing(4).noise == pytest.approx(0.05 / 2, rel=0.08)


def test_the_bend_of_a_smooth_curve_is_no_noise_of_its_averages():
    bend = 0.5 + np.abs(np.arange(20) - 8) ** 1.5 / 30
    assert Track(bend).trailing(3).noise < 0.02


def test_the_mean_over_seeds_is_as_long_as_the_shortest():
    rng = np.random.default_rng(2)
    images = [rng.exponential(1, (length, 30)) for length in (9, 7)]
    both = tracks.mean([Track(one.mean(1), one) for one in images])
    assert both.curve == pytest.approx((images[0][:7].mean(1) + images[1].mean(1)) / 2)
    assert both.images.mean(1) == pytest.approx(both.curve)
    assert tracks.mean([Track(images[0].mean(1), images[0]), Track(np.ones(9))]).images is None


def test_noise_of_the_mean_over_seeds_is_smaller_by_their_root():
    rng = np.random.default_rng(3)
    seeds = [Track(rng.normal(0, 0.05, 4000)) for _ in range(4)]
    assert tracks.mean(seeds).noise == pytest.approx(0.05 / 2, rel=0.08)


def test_a_handful_of_epochs_has_no_noise_to_speak_of():
    assert Track(np.array([1.0, 5.0, 1.0, 5.0])).noise == 0


def test_paired_errors_see_only_what_changes():
    rng = np.random.default_rng(0)
    images = np.stack([rng.exponential(1, 400)] * 2)
    images[1] += rng.normal(0.1, 0.02, 400)
    rises = Track(images.mean(1), images).rises(0)
    assert rises.value == pytest.approx([0, 0.1], abs=0.003)
    assert rises.se_paired[0] == 0
    assert rises.se_paired[1] == pytest.approx(0.02 / 20, rel=0.1)


def test_trailing_averages_images_as_it_does_the_curve():
    images = np.arange(12.0).reshape(4, 3).astype(np.float16)
    track = Track(images.mean(1, dtype=float), images).trailing(2)
    assert track.images.mean(1) == pytest.approx(track.curve)
    assert track.images[0].tolist() == [0, 1, 2]
    assert track.images[3].tolist() == [7.5, 8.5, 9.5]


@pytest.mark.parametrize("score", tracks.SCORES)
def test_images_average_to_the_curve_for_every_score(score):
    history = synthetic.make("ideal", 0, num_seeds=1).histories[0]
    track = tracks.of(history, "val", score)
    assert track.images.mean(1, dtype=float) == pytest.approx(track.curve, abs=2e-3)


def test_accuracy_counts_as_error_so_that_lower_is_better():
    history = synthetic.make("ideal", 0, num_seeds=1).histories[0]
    track = tracks.of(history, "val", "accuracy")
    assert track.curve == pytest.approx(1 - history.series("val", "accuracy"))


def test_a_track_ends_before_the_loss_stops_being_finite():
    history = synthetic.make("nan at the end", 0, num_seeds=1).histories[0]
    assert len(tracks.of(history, "val", "loss").curve) == history.num_epochs - 3


def test_a_single_image_has_no_standard_error():
    assert np.isnan(tracks.standard_error(np.array([1.0])))
