"""The study of subsets on fits that are made up, with planted images."""

import numpy as np
import pandas as pd
import pytest

from overfit_atlas.scoring.fits import Fit
from pipeline import params as parameters
from pipeline.studies import subsets
from pipeline.training.task import FitError, FitResult, OfTrain

FITS = 60
MEMORISED, WRONG = 4, 9
"""Places of an image that is right only inside, and of one that is labelled as another class."""


@pytest.fixture(scope="module")
def params():
    return parameters.parse({}, {"images.fits": FITS, "images.width": 8})


def _result(data, number, failed=None):
    generator = np.random.default_rng(number)
    labels, num_classes = np.asarray(data.train.labels), data.manifest.num_classes
    inside = generator.random(len(labels)) < 0.7
    inside[: number % 2] = False
    said = labels.copy()
    said[MEMORISED] = labels[MEMORISED] if inside[MEMORISED] else (labels[MEMORISED] + 1) % 10
    said[WRONG] = (labels[WRONG] + 1) % 10
    noise = 0.1 * generator.random((len(labels), num_classes)) / num_classes
    probabilities = (0.9 * np.eye(num_classes)[said] + noise).astype(np.float16)
    val = (0.9 * np.eye(num_classes)[np.asarray(data.val.labels)] + 0.01).astype(np.float16)
    if inside[2]:
        val[0] = val[0][::-1]  # the third train image makes the first val image wrong
    return FitResult(
        seed=number,
        history=Fit(pd.DataFrame({"epoch": [1], "split": ["val"]})),
        best_epoch=1,
        seconds=0.1,
        num_parameters=1,
        probabilities=val,
        failed=failed,
        of_train=OfTrain(inside, probabilities, np.where(inside, 0.1, 0.2), val),
    )


@pytest.fixture(scope="module")
def found(digits, params):
    results = ((number, _result(digits, number)) for number in reversed(range(FITS)))
    paths = [f"{number}.png" for number in range(2000)]
    return subsets.found(subsets.tallied(digits, results), params, paths)


def test_a_net_of_ones_own_is_trained_as_train_says(digits, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def build_model(): ...", encoding="utf-8")
    own = parameters.parse({}, {"images.model": f"{file}:build_model", "train.optimizer": "sgd"})
    task = subsets.tasks(own, tmp_path, digits.manifest, None)[0]
    assert (task.model, task.train.optimizer, task.train.epochs) == (
        f"{file}:build_model", "sgd", 15
    )  # fmt: skip
    key = task.key()
    file.write_text("def build_model(): pass", encoding="utf-8")
    assert subsets.tasks(own, tmp_path, digits.manifest, None)[0].key() != key


@pytest.mark.parametrize("net", ["resnet", "mine.py", "mine.py:", "mine.py:9"])
def test_what_is_no_model_and_no_function_is_refused(net):
    with pytest.raises(parameters.ParamsError, match=r"images.model: got .*: choose dense, cnn"):
        parameters.parse({}, {"images.model": net})


def test_tasks_differ_in_their_seed_alone(params, digits, tmp_path):
    tasks = subsets.tasks(params, tmp_path, digits.manifest, None)
    assert len({task.seed for task in tasks}) == FITS == len(tasks)
    assert {(task.section.units, task.share, task.train.epochs) for task in tasks} == {
        ((8,), 0.7, 15)
    }
    other = params.model_copy(update={"seed": 1})
    again = subsets.tasks(other, tmp_path, digits.manifest, None)
    assert not {task.seed for task in tasks} & {task.seed for task in again}


def test_planted_images_are_found(found, digits):
    train = found.tables["train"]
    assert len(train) == len(digits.train) and len(found.tables["val"]) == len(digits.val)
    assert train["id"].tolist() == digits.train.ids.tolist()
    assert train["path"][0] == f"{digits.train.ids[0]}.png"
    memorised = train.loc[MEMORISED]
    assert memorised["memorisation"] == 1 and memorised["share_of_gap"] == 1
    assert found.summary["memorised"] == 1
    assert found.summary["gap_accuracy"]["value"] == pytest.approx(1 / len(train))
    assert train["membership"].dropna().unique().tolist() == [1]
    assert found.summary["membership_auc"]["value"] == 1


def test_the_lists_name_the_wrong_label_and_what_to_put_there(found, digits):
    relabel = found.tables["relabel"]
    number, label = int(digits.train.ids[WRONG]), int(digits.train.labels[WRONG])
    names = digits.manifest.class_names
    assert number in found.tables["drop"]["id"].tolist()
    row = relabel[relabel["id"] == number].iloc[0]
    assert (row["class"], row["suggested"]) == (names[label], names[(label + 1) % 10])
    assert set(relabel["id"]) <= set(found.tables["drop"]["id"])


def test_the_image_that_harms_is_named(found, digits):
    row = found.tables["influence"].iloc[0]
    assert (row["val_id"], row["train_id"]) == (digits.val.ids[0], digits.train.ids[2])
    assert row["influence"] == -1 and row["right_without"] == 1


def test_the_order_in_which_fits_finish_changes_nothing(found, digits, params):
    forward = ((number, _result(digits, number)) for number in range(FITS))
    again = subsets.found(subsets.tallied(digits, forward), params, ())
    for name, table in again.tables.items():
        known = found.tables[name]
        columns = [column for column in table if not str(column).endswith("path")]
        pd.testing.assert_frame_equal(table[columns], known[columns])


def test_broken_fits_are_named_and_too_many_refused(digits, params):
    results = [(n, _result(digits, n, "the loss is not finite" if n < 3 else None))
               for n in range(FITS)]  # fmt: skip
    tally = subsets.tallied(digits, results)
    assert len(tally.inside) == FITS - 3
    assert tally.failures[0] == "fit 0, the loss is not finite"
    with pytest.raises(FitError, match="3 fits broke down .* 2 are left, expected 10"):
        subsets.tallied(digits, results[:5])
