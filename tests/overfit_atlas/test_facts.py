import numpy as np
import pytest

from overfit_atlas.facts import Facts


def test_labels_give_shares_entropy_and_majority():
    found = Facts.of_labels([0, 0, 0, 1], 3)
    assert found.class_shares == (0.75, 0.25, 0.0)
    assert found.majority == 0.75
    assert found.entropy == pytest.approx(-0.75 * np.log(0.75) - 0.25 * np.log(0.25))
    assert (found.num_images, found.num_classes) == (4, 3)


def test_without_shares_classes_count_alike_and_without_classes_nothing_is_known():
    assert Facts(num_classes=10).entropy == pytest.approx(np.log(10))
    assert Facts(num_classes=10).majority == 0.1
    assert (Facts().entropy, Facts().majority) == (None, None)
