"""The reliability diagram and the error it stands for."""

import numpy as np
import pandas as pd
import pytest

from pipeline.plots import calibration


def bins() -> pd.DataFrame:
    rows = [("test", 0.9, 0.7, 30), ("test", 0.5, 0.6, 10), ("test", 0.2, 0.0, 0),
            ("val", 0.9, 0.1, 10)]  # fmt: skip
    return pd.DataFrame(rows, columns=["split", "confidence", "accuracy", "count"])


def test_the_error_is_weighted_by_images_and_ignores_empty_bins() -> None:
    assert calibration.calibration_error(bins(), "test") == pytest.approx(0.75 * 0.2 + 0.25 * 0.1)
    assert np.isnan(calibration.calibration_error(bins(), "train"))


def test_the_line_goes_through_the_filled_bins_in_order() -> None:
    figure = calibration.reliability({"cnn": bins()}, "en")
    line = figure.axes[0].lines[0]
    assert line.get_xdata().tolist() == [0.5, 0.9] and line.get_ydata().tolist() == [0.6, 0.7]
    assert figure.legends[0].get_texts()[0].get_text() == "cnn (ECE 0.175)"


def test_a_split_without_bins_is_no_error(problems) -> None:
    assert problems(calibration.reliability({"cnn": bins()}, "en", "train")) == []
