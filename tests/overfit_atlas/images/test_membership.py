"""What losses give away, against pairs counted one by one."""

import numpy as np
import pytest

from overfit_atlas.errors import AtlasError
from overfit_atlas.images.membership import membership

INSIDE = np.array([[True, True, False, False], [False, True, False, True]])
LOSS = np.array([[0.1, 0.5, 0.3, 0.9], [0.2, 0.2, 0.2, 0.2]])


def test_the_auc_counts_pairs_and_ties_by_half() -> None:
    found = membership(INSIDE, LOSS)
    assert found.auc.value == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert found.auc.low <= found.auc.value <= found.auc.high


def test_of_images_goes_over_fits() -> None:
    found = membership(INSIDE, LOSS).of_images
    assert found[[0, 3]].tolist() == [1, 1]
    assert np.isnan(found[[1, 2]]).all()


def test_chance_is_one_half_and_its_interval_covers_it() -> None:
    generator = np.random.default_rng(0)
    inside = generator.random((60, 200)) < 0.7
    auc = membership(inside, generator.exponential(size=inside.shape)).auc
    assert auc.low < 0.5 < auc.high and auc.high - auc.low < 0.03


def test_the_interval_is_over_images_and_not_over_fits() -> None:
    """Half of the images leak, half do not: more fits must not make the mean surer."""
    generator = np.random.default_rng(1)
    widths = []
    for num_fits in (40, 160):
        inside = generator.random((num_fits, 100)) < 0.5
        leak = np.arange(100) < 50
        loss = generator.random(inside.shape) - inside * leak
        auc = membership(inside, loss).auc
        widths.append(auc.high - auc.low)
    assert widths[1] == pytest.approx(widths[0], rel=0.35)


def test_a_fit_without_others_is_refused() -> None:
    with pytest.raises(AtlasError, match="nobody to tell apart"):
        membership([[True, True]], [[0.0, 1.0]])
