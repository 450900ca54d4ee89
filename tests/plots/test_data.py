import numpy as np
import pandas as pd
import pytest

from pipeline.plots import data


def counts(num_classes, splits=("train", "val", "test", "probe")):
    rows = [
        (split, label, f"class {label}", 10 * (i + 1) + label)
        for i, split in enumerate(splits)
        for label in range(num_classes)
    ]
    return pd.DataFrame(rows, columns=["split", "class", "class_name", "count"])


def texts(figure):
    return [found.get_text().replace("\n", " ") for found in figure.texts]


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("num_classes", [2, 30, 300])
def test_each_split_has_a_panel_with_a_bar_for_each_class(language, num_classes):
    table = counts(num_classes)
    figure = data.class_counts(table, language)
    assert len(figure.axes) == 3
    for axes, split in zip(figure.axes, ("train", "val", "test"), strict=True):
        widths = [bar.get_width() for bar in axes.patches]
        assert widths == table.loc[table["split"] == split, "count"].tolist()
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names[0] == "class 0" and len(names) <= 110
    # The first class stands at the top.
    assert figure.axes[0].yaxis.get_inverted()


def test_the_note_counts_the_probe_and_titles_count_the_splits():
    figure = data.class_counts(counts(2), "en")
    assert any("81 of the training images" in said for said in texts(figure))
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "train: 21 images",
        "validation: 41 images",
        "test: 61 images",
    ]


def test_a_dict_of_columns_draws_what_a_data_frame_draws():
    table = counts(3)
    columns = {name: table[name].tolist() for name in table}
    widths = [
        [bar.get_width() for axes in data.class_counts(found, "en").axes for bar in axes.patches]
        for found in (table, columns)
    ]
    assert widths[0] == widths[1]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("language", ["en", "ja"])
def test_samples_stand_in_rows_by_class(channels, language):
    images = np.arange(5, dtype=np.uint8)[:, None, None, None] * 50 + np.zeros(
        (5, 10, 10, channels), np.uint8
    )
    labels = np.array([1, 0, 1, 1, 0])
    figure = data.samples(images, labels, ["a", "b", "c"], language)
    sheet = figure.axes[0].images[0].get_array()
    # Two rows of three places, 10 pixels wide, with gaps of one pixel.
    assert sheet.shape == (21, 32, 3)
    assert [sheet[5, x, 0] for x in (5, 16, 27)] == [50, 200, 255]
    assert [sheet[16, x, 0] for x in (5, 16, 27)] == [0, 100, 150]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["a", "b"]


def test_samples_say_of_how_many_classes_they_are():
    images = np.zeros((2, 4, 4, 1), np.uint8)
    some = data.samples(images, np.array([0, 1]), ["a", "b", "c"], "en")
    assert "True labels. The first 2 of 3 classes." in texts(some)
    every = data.samples(images, np.array([0, 1]), ["a", "b"], "en")
    assert "True labels." in texts(every)
