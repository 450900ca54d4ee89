import optuna
import pandas as pd
import pytest
from matplotlib.figure import Figure

from pipeline.studies import storage, telling

SUMMARY = {
    "model": "dense", "dataset": "toy", "threshold": 0.27, "confidence": 0.95, "widths": [2, 256],
    "axes": ["width", "dropout"], "dropouts": [0.0, 0.8],
    "num_seeds": 3, "epochs": 30,
}  # fmt: skip


def part(epochs=30, reach="from a width", width=12.2, low=6.1, high=None):
    found = {"reach": reach, "width": width, "low": low, "high": high}
    return {"epochs": epochs, "train_fraction": 1, "label_noise": 0, "overfits_from": found}


def test_every_sentence_names_its_budget_and_where_the_interval_ends():
    said = telling.sentence(SUMMARY, part(), "en")
    assert said.startswith("After 30 epochs, dense without dropout overfits from a width of about")
    assert "12 on (6 to more than 256, 95% interval)" in said and "0.27 nats" in said
    for reach in ("at every width", "at no width"):
        for language, words in (("en", "After 5 epochs"), ("ja", "5 エポック後")):
            assert telling.sentence(SUMMARY, part(5, reach), language).startswith(words)


def test_a_sentence_on_other_axes_names_them():
    axes = {"axes": ["train.learning_rate", "models.dense.l2"], "widths": [0.001, 0.1]}
    found = {**part()["overfits_from"], "width": 0.0123}
    told = {**part(), "overfits_from": found}
    said = telling.sentence({**SUMMARY, **axes, "dropouts": [0.0001, 0.1]}, told, "en")
    assert "with l2 = 0.0001 overfits from learning_rate = 0.012 on (6.1 to more than 0.1" in said


@pytest.fixture
def points():
    rows = [(2, 0.0, 0.01, "underfit", "too short", 0.99), (256, 0.2, 0.6, "overfit", "", 0.7)]
    columns = ["width", "dropout", "gap_loss", "verdict", "kind", "probability"]
    return pd.DataFrame(rows, columns=columns)


def test_the_note_begins_with_the_frontier_and_lists_the_largest_gap_first(points):
    parts = [part(), part(12, "at no width"), {**part(8), "label_noise": 0.2}]
    lines = telling.note({**SUMMARY, "slices": parts}, points).splitlines()
    assert lines[2].startswith("**After 30 epochs")
    assert [line[:15] for line in lines if line.startswith("- ")] == ["- After 12 epoc"]
    assert lines[-2] == "| 256 | 0.2 | +0.600 | overfit | 0.70 |"
    assert lines[-1].endswith("underfit, too short | 0.99 |")


def test_a_study_shows_its_note_and_one_artifact_a_figure_however_often_it_runs(tmp_path):
    sampler, pruner = optuna.samplers.RandomSampler(seed=0), optuna.pruners.NopPruner()
    aim = storage.Aim("gap (nats)", "maximize")
    with storage.study("map", sampler, pruner, tmp_path, aim=aim) as study:
        for words in ("first", "second"):
            answers = {"where it overfits": words}
            telling.present(study, words, {"gap_map.png": Figure()}, tmp_path, answers)
        assert study.user_attrs == {"where it overfits": "second"}
        known = optuna.artifacts.get_all_artifact_meta(study)
        assert [one.filename for one in known] == ["gap_map.png"]
        assert study.metric_names == ["gap (nats)"] and study.direction.name == "MAXIMIZE"
        assert "second" in str(study._storage.get_study_system_attrs(study._study_id))
    (image,) = (tmp_path / telling.ARTIFACTS).iterdir()
    assert image.name == known[0].artifact_id and image.read_bytes().startswith(b"\x89PNG")
