import pytest

from pipeline.params import Schedule
from pipeline.training.schedules import Plateau, ScheduleError, check, phase, rate, rates


def _rates(learning_rate, epochs, **fields):
    return rates(Schedule(**fields), learning_rate, epochs)


def test_constant():
    assert _rates(0.1, 3) == (0.1, 0.1, 0.1)


def test_warmup_flat_cooldown_by_hand():
    """Up from 0.1 in two steps to 0.5, two epochs there, down in two to 0.1."""
    found = _rates(
        0.5, 6, name="warmup", min_rate=0.1, warmup_epochs=2, flat_epochs=2, cooldown_epochs=2
    )
    assert found == pytest.approx((0.1, 0.3, 0.5, 0.5, 0.3, 0.1))


def test_epochs_left_over_lengthen_the_flat_part():
    fields = {"name": "warmup", "min_rate": 0.1, "warmup_epochs": 1, "cooldown_epochs": 1}
    assert _rates(0.5, 5, flat_epochs=1, **fields) == pytest.approx((0.1, 0.5, 0.5, 0.5, 0.1))


def test_the_papers_schedule():
    """Burn-in 3 at 1e-4, then up 10, flat 5, down 20 between 1e-4 and 3e-2: 38 epochs."""
    paper = Schedule(
        name="warmup",
        min_rate=1e-4,
        burn_in_epochs=3,
        burn_in_rate=1e-4,
        warmup_epochs=10,
        flat_epochs=5,
        cooldown_epochs=20,
    )
    found = rates(paper, 3e-2, 38)
    assert len(found) == 38
    assert found[:4] == pytest.approx((1e-4,) * 4)
    assert found[4] == pytest.approx(1e-4 + (3e-2 - 1e-4) / 10)
    assert found[13:18] == pytest.approx((3e-2,) * 5)
    assert found[12] < 3e-2 > found[18]
    assert found[-1] == pytest.approx(1e-4)
    assert max(found) == 3e-2


def test_cosine_by_hand():
    """Half a cosine over four epochs: cos 0, pi/4, pi/2, 3 pi/4."""
    root = 2**0.5 / 2
    expected = (1, (1 + root) / 2, 0.5, (1 - root) / 2)
    assert _rates(1.0, 4, name="cosine") == pytest.approx(expected)


def test_cosine_ends_above_its_minimum_and_may_warm_up():
    found = _rates(1.0, 4, name="cosine", min_rate=0.2, warmup_epochs=2)
    assert found == pytest.approx((0.2, 0.6, 1.0, 0.6))


def test_step_by_hand_and_never_below_its_minimum():
    found = _rates(1.0, 6, name="step", step_epochs=2, factor=0.1, min_rate=0.05)
    assert found == pytest.approx((1, 1, 0.1, 0.1, 0.05, 0.05))


def test_one_cycle_by_hand():
    """21 epochs: peak at round(0.45 x 20) = 9, back at 18, then to a hundredth of the start."""
    found = _rates(1.0, 21, name="one_cycle")
    assert found[0] == pytest.approx(0.1)
    assert found[9] == max(found) == 1.0
    assert found[3] == pytest.approx(0.1 + 0.9 * 3 / 9)
    assert found[18] == pytest.approx(0.1)
    assert found[20] == pytest.approx(0.001)
    assert _rates(1.0, 21, name="one_cycle", min_rate=0.5)[0] == 0.5


@pytest.mark.parametrize("epochs", range(1, 8))
def test_one_cycle_of_few_epochs_keeps_within_bounds(epochs):
    found = _rates(1.0, epochs, name="one_cycle")
    assert len(found) == epochs
    assert max(found) == 1.0
    assert min(found) > 0


def test_burn_in_comes_first_in_any_schedule():
    found = _rates(1.0, 4, name="cosine", burn_in_epochs=2, burn_in_rate=0.01)
    assert found == pytest.approx((0.01, 0.01, 1.0, 0.5))


def test_rate_is_that_of_the_next_epoch():
    schedule = Schedule(name="step", step_epochs=1, factor=0.5)
    assert [rate(schedule, 1.0, 3, [9.0] * done) for done in range(3)] == [1.0, 0.5, 0.25]
    assert rate(schedule, 1.0, 3, [9.0] * 5) == 0.25


def _on_plateau(losses, **fields):
    schedule = Schedule(name="reduce_on_plateau", **fields)
    return [rate(schedule, 1.0, 100, losses[:done]) for done in range(len(losses) + 1)]


def test_plateau_reduces_after_patience_epochs_without_a_better_loss():
    losses = [1.0, 0.9, 0.95, 0.9, 0.8, 0.8, 0.8, 0.8]
    found = _on_plateau(losses, factor=0.1, patience=2)
    assert found == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01])


def test_plateau_ignores_improvements_too_small_to_matter():
    assert _on_plateau([1.0, 0.99995, 0.9999], factor=0.5, patience=1)[-1] == 0.25
    assert _on_plateau([1.0, 0.9998, 0.9996], factor=0.5, patience=1)[-1] == 1.0


def test_plateau_stops_at_its_minimum():
    found = _on_plateau([1.0] * 5, factor=0.1, patience=1, min_rate=0.05)
    assert found == pytest.approx([1, 1, 0.1, 0.05, 0.05, 0.05])


def test_plateau_counts_from_after_burn_in():
    found = _on_plateau(
        [0.1, 1.0, 0.9, 0.95], factor=0.5, patience=1, burn_in_epochs=1, burn_in_rate=0.01
    )
    assert found == pytest.approx([0.01, 1, 1, 1, 0.5])


def test_plateau_state_after_a_bad_epoch():
    schedule = Schedule(name="reduce_on_plateau", patience=3)
    assert Plateau(1.0, 0.5, 0).after(0.6, schedule) == Plateau(1.0, 0.5, 1)
    assert Plateau(1.0, 0.5, 2).after(float("nan"), schedule) == Plateau(0.1, 0.5, 0)


WARMUP = {"name": "warmup", "min_rate": 0.01, "warmup_epochs": 3, "cooldown_epochs": 2}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            WARMUP | {"burn_in_epochs": 1},
            r"needs 6 epochs \(burn-in 1, warm-up 3, flat 0, cool-down 2\), but train.epochs is 5",
        ),
        (WARMUP | {"min_rate": 0.0}, "min_rate is 0: an epoch of warm-up or cool-down"),
        (WARMUP | {"min_rate": 0.2}, "min_rate=0.2 is above train.learning_rate=0.1"),
        ({"name": "warmup"}, "needs warmup_epochs or cooldown_epochs above 0"),
        ({"name": "cosine", "burn_in_epochs": 5}, "needs 6 epochs"),
        ({"name": "step", "warmup_epochs": 2}, "no meaning for 'step'.*among warmup, cosine"),
        ({"name": "cosine", "flat_epochs": 2}, "flat_epochs has no meaning for 'cosine'"),
        ({"min_rate": 0.01}, "min_rate has no meaning for 'constant'"),
    ],
)
def test_what_does_not_fit_is_refused(fields, message):
    with pytest.raises(ScheduleError, match=message):
        check(Schedule(**fields), 0.1, 5)


@pytest.mark.parametrize(
    "fields", [WARMUP, {}, {"name": "cosine", "burn_in_epochs": 4}, {"name": "one_cycle"}]
)
def test_what_fits_passes_and_gives_one_rate_an_epoch(fields):
    assert len(_rates(0.1, 5, **fields)) == 5


def _phases(epochs, **fields):
    schedule = Schedule(**fields)
    return [phase(schedule, epochs, epoch).get("phase") for epoch in range(1, epochs + 1)]


def test_phases_by_hand():
    """1 burn-in, 2 warm-up, 3 flat, 4 cool-down; none where the rate has no such parts."""
    warmup = {"name": "warmup", "min_rate": 0.1, "warmup_epochs": 2, "cooldown_epochs": 1}
    assert _phases(6, burn_in_epochs=1, **warmup) == [1, 2, 2, 3, 3, 4]
    assert _phases(4, **warmup) == [2, 2, 3, 4]
    assert _phases(3, burn_in_epochs=1) == [1, 3, 3]
    assert _phases(4, name="cosine", min_rate=0.1, warmup_epochs=1) == [2, 4, 4, 4]
    assert _phases(3, name="one_cycle", burn_in_epochs=1) == [1, None, None]
    for plain in ({}, {"name": "cosine"}, {"name": "step"}):
        assert _phases(3, **plain) == [None] * 3
