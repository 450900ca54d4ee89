import subprocess
import sys

import pytest

from overfit_atlas.errors import AtlasError
from pipeline.params import parse
from pipeline.training.checks import check


def _check(name="dense", shape=(28, 28, 1), num_classes=10, **overrides):
    keys = {key.replace("__", "."): value for key, value in overrides.items()}
    check(parse({}, keys), name, shape, num_classes)


@pytest.mark.parametrize("name", ["dense", "cnn", "efficientnet"])
def test_defaults_pass(name):
    _check(name)


@pytest.mark.parametrize(
    "overrides",
    [
        {"train__loss": "binary_crossentropy", "train__augmentation": ["mixup"]},
        {"train__loss": "focal", "train__label_smoothing": 0.1},
        {"train__balance": "class_weights", "train__augmentation": ["mixup", "cutmix"]},
        {"train__balance": "augmentation", "train__augmentation": ["flip"]},
        {"train__balance": "logit_adjustment", "train__loss": "kl_divergence"},
        {"models__dense__batch_norm": True, "train__batch_size": 2},
        {"models__cnn__batch_norm": True, "train__batch_size": 1},
    ],
)
def test_what_goes_together_passes(overrides):
    _check(**overrides)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"train__balance": "augmentation"}, r"train.augmentation is empty.*\[flip, shift\]"),
        (
            {"train__balance": "augmentation", "train__augmentation": ["flip", "mixup"]},
            "mixup mix classes",
        ),
        (
            {"train__balance": "logit_adjustment", "train__loss": "focal"},
            "train.loss='focal': choose categorical_crossentropy or kl_divergence",
        ),
        ({"models__dense__batch_norm": True, "train__batch_size": 1}, "models.dense.batch_norm"),
        ({"train__schedule__name": "warmup"}, "needs warmup_epochs"),
        ({"models__dense__train": {"schedule": {"flat_epochs": 1}}}, "flat_epochs has no meaning"),
        ({"num_classes": 1}, "num_classes=1, expected at least 2"),
        ({"name": "cnn", "shape": (8, 8, 1), "models__cnn__filters": [4, 4]}, "8x8 pixels allow"),
        ({"name": "efficientnet", "models__efficientnet__width": 2.0}, "belongs to its variant"),
    ],
)
def test_what_excludes_each_other_is_refused(overrides, message):
    with pytest.raises(AtlasError, match=message):
        _check(**overrides)


def test_b5_at_16_pixels_is_refused_by_its_key():
    with pytest.raises(AtlasError, match=r"models.efficientnet.resolution.*32.*got 16"):
        _check("efficientnet", models__efficientnet__resolution=16)


def test_checking_needs_no_tensorflow():
    code = (
        "import sys; from pipeline.params import parse; from pipeline.training.checks import check;"
        "check(parse({'train': {'augmentation': ['flip']}}), 'cnn', (28, 28, 1), 10);"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
