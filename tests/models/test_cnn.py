import pytest

from pipeline import models
from pipeline.models import ModelError, cnn
from pipeline.params import Cnn

SHAPE = (28, 28, 1)


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        # The classic: 3x3x1 kernels, 28 -> 26 -> 13 pixels a side, flat, 128 units, 10 classes.
        (Cnn(), (9 * 32 + 32) + (13 * 13 * 32 * 128 + 128) + (128 * 10 + 10)),
        # 28 -> 26 -> 13 -> 11 -> 5.
        (
            Cnn(filters=(8, 16)),
            (9 * 8 + 8) + (9 * 8 * 16 + 16) + (5 * 5 * 16 * 128 + 128) + (128 * 10 + 10),
        ),
        (Cnn(pooling="global"), (9 * 32 + 32) + (32 * 128 + 128) + (128 * 10 + 10)),
        (Cnn(pooling="global", dense_units=0), (9 * 32 + 32) + (32 * 10 + 10)),
        (Cnn(dense_units=0), (9 * 32 + 32) + (13 * 13 * 32 * 10 + 10)),
        (Cnn(width=0.25), (9 * 8 + 8) + (13 * 13 * 8 * 32 + 32) + (32 * 10 + 10)),
        (
            Cnn(batch_norm=True, dropout=0.5),
            (9 * 32 + 4 * 32) + (13 * 13 * 32 * 128 + 4 * 128) + (128 * 10 + 10),
        ),
    ],
)
def test_parameter_count(section, expected):
    assert cnn.num_parameters(section, SHAPE, 10) == expected
    assert models.build("cnn", section, SHAPE, 10, seed=0).count_params() == expected


def test_colour_images_have_three_times_the_first_kernels():
    section = Cnn(filters=(4,), pooling="global", dense_units=0)
    assert cnn.num_parameters(section, (32, 20, 3), 5) == (27 * 4 + 4) + (4 * 5 + 5)
    assert models.build("cnn", section, (32, 20, 3), 5, seed=0).count_params() == 137


@pytest.mark.parametrize(
    ("side", "allowed"), [(3, 0), (4, 1), (8, 1), (9, 1), (10, 2), (28, 3), (32, 3)]
)
def test_how_often_an_image_can_be_halved(side, allowed):
    fitting = Cnn(filters=(2,) * max(allowed, 1))
    if allowed:
        models.build("cnn", fitting, (side, side, 1), 2, seed=0)
    with pytest.raises(ModelError, match=f"allow at most {allowed}"):
        models.check("cnn", Cnn(filters=(2,) * (allowed + 1)), (side, side, 1))


def test_too_many_filters_name_the_key_and_the_remedy():
    with pytest.raises(ModelError) as error:
        models.build("cnn", Cnn(filters=(8, 8, 8, 8)), (8, 8, 1), 10, seed=0)
    assert "models.cnn.filters has 4 entries" in str(error.value)
    assert "preprocess.image_size" in str(error.value)


def test_the_shorter_side_decides():
    with pytest.raises(ModelError, match="100x8 pixels allow at most 1"):
        models.check("cnn", Cnn(filters=(2, 2)), (8, 100, 1))


def test_dropout_stands_before_the_classifier_alone():
    with_dense = models.build("cnn", Cnn(dropout=0.5), SHAPE, 10, seed=0)
    without = models.build("cnn", Cnn(dropout=0.5, dense_units=0), SHAPE, 10, seed=0)
    for model in (with_dense, without):
        dropouts = [layer for layer in model.layers if "dropout" in layer.name]
        assert [layer.rate for layer in dropouts] == [0.5]
        assert model.layers.index(dropouts[0]) == len(model.layers) - 3


def test_with_width_sets_the_first_filters_and_scales_the_rest():
    sized = models.with_width("cnn", Cnn(filters=(32, 64)), 8)
    model = models.build("cnn", sized, SHAPE, 10, seed=0)
    assert model.get_layer("conv_1").filters == 8
    assert model.get_layer("conv_2").filters == 16
    assert model.get_layer("hidden").units == 32
