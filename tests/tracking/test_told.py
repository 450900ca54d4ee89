"""What a training tells while it runs, and what is found out about it afterwards."""

import json
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from overfit_atlas.scoring.fits import Fit
from overfit_atlas.scoring.scores import Predictions
from pipeline import evaluation, params
from pipeline.tracking import send_kept, stage_run, told, views
from pipeline.tracking.service import Service
from pipeline.training.task import FitResult, Progress

DEFAULTS = params.parse({})
NAN = float("nan")


def _rows(epoch: int, loss: float) -> list[dict[str, Any]]:
    return [
        {"epoch": epoch, "split": "running", "loss": 9.0, "accuracy": 0.1, "learning_rate": 0.01},
        {"epoch": epoch, "split": "probe", "loss": loss / 2, "accuracy": 0.75},
        {"epoch": epoch, "split": "val", "loss": loss, "accuracy": 0.5},
    ]


def _progress(seed: int, epoch: int, loss: float) -> Progress:
    rows = tuple(_rows(epoch, loss))
    return Progress("cnn", seed, epoch, 3, 9.0, loss / 2, loss, 0.5, rows)


def _result(seed: int, losses: list[float], failed: str | None = None) -> FitResult:
    rows = [row for epoch, loss in enumerate(losses, 1) for row in _rows(epoch, loss)]
    return FitResult(
        seed=seed,
        history=Fit(pd.DataFrame(rows).assign(seed=seed), None, seed),
        best_epoch=int(np.argmin(losses)) + 1,
        seconds=2.5,
        num_parameters=7,
        probabilities=np.zeros((1, 2)),
        failed=failed,
    )


def _val(project: Any, run: str) -> list[tuple[int, float]]:
    return sorted((step, x) for name, step, x in project.points(run) if name == "val/loss")


def test_epochs_are_told_as_they_end_and_their_mean_when_all_seeds_are_there(project: Any) -> None:
    with stage_run(DEFAULTS, "train@cnn", "demo") as run, told.Live(run, "cnn", [3, 4]) as live:
        live.epoch(_progress(3, 1, 0.5))
        send_kept()
        assert _val(project, "cnn seed 3") == [(1, 0.5)]
        assert _val(project, "train@cnn") == []
        live.epoch(_progress(4, 1, 1.0))
        send_kept()
        assert _val(project, "train@cnn") == [(1, 0.75)]
        live.epoch(_progress(3, 2, 0.25))
        live.finished(_result(3, [0.5, 0.25]))  # it stopped early
        send_kept()
        assert project.runs()["cnn seed 3"] == "FINISHED"
        live.epoch(_progress(3, 2, 0.25))  # late, and told already
        live.finished(_result(4, [1.0, 0.75, 0.5]))  # its other epochs were never told
    assert _val(project, "cnn seed 3") == [(1, 0.5), (2, 0.25)]
    assert _val(project, "cnn seed 4") == [(1, 1.0), (2, 0.75), (3, 0.5)]
    assert _val(project, "train@cnn") == [(1, 0.75), (2, 0.5), (3, 0.5)]
    query = "SELECT count(*) FROM metrics WHERE key = 'val/loss'"
    assert project.rows(query) == [(2 + 3 + 3,)]  # none twice, with another time


def test_the_view_has_all_runs_with_curves_and_no_other_from_the_first_epoch_on(
    project: Any,
) -> None:
    service = Service("demo")

    def shown() -> list[str]:
        send_kept()
        found = service.client.search_runs([service.experiment], views.TRAININGS)
        return [run.info.run_name for run in found]

    with stage_run(DEFAULTS, "evaluate", "demo"):
        pass
    with stage_run(DEFAULTS, "tuned", "demo") as run, told.Live(run, "tuned", [3]) as live:
        live.epoch(_progress(3, 1, 0.5))
        assert shown() == ["tuned"]
    assert shown() == ["tuned"]


def test_a_child_has_its_parameters_its_seed_and_its_best_scores(project: Any) -> None:
    sections = ["seed", "train.epochs", "train.seeds"]
    with (
        stage_run(DEFAULTS, "train@cnn", "demo", sections) as run,
        told.Live(run, "cnn", [3]) as live,
    ):
        live.finished(_result(3, [0.5, 0.25, 0.75]))
    assert project.params("cnn seed 3") == {
        "seed": "0",
        "train.epochs": str(DEFAULTS.train.epochs),
        "train.seed": "3",
    }
    assert project.tags("cnn seed 3")["seed"] == "3"
    assert {point for point in project.points("cnn seed 3") if point[1] == 0} == {
        ("best/val/loss", 0, 0.25),
        ("best/val/accuracy", 0, 0.5),
        ("best/probe/loss", 0, 0.125),
        ("best/probe/accuracy", 0, 0.75),
        ("best_epoch", 0, 2.0),
        ("seconds", 0, 2.5),
    }


def test_a_fit_that_broke_down_is_a_failed_child(project: Any) -> None:
    with stage_run(DEFAULTS, "train", "demo") as run, told.Live(run, "cnn", [0]) as live:
        live.finished(_result(0, [0.5, NAN], failed="epoch 2: the val loss is nan"))
    assert project.runs() == {"train": "FINISHED", "cnn seed 0": "FAILED"}
    assert project.tags("cnn seed 0")["failure"] == "epoch 2: the val loss is nan"
    assert _val(project, "cnn seed 0") == [(1, 0.5)]


def test_open_children_share_the_fate_of_their_stage(project: Any) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        stage_run(DEFAULTS, "train", "demo") as run,
        told.Live(run, "cnn", [0, 1]) as live,
    ):
        live.finished(_result(0, [0.5]))
        live.epoch(_progress(1, 1, 0.5))
        raise KeyboardInterrupt
    live.epoch(_progress(1, 2, 0.5))  # of a worker that has not heard of it
    assert project.runs() == {"train": "KILLED", "cnn seed 0": "FINISHED", "cnn seed 1": "KILLED"}


def test_many_threads_may_tell(project: Any) -> None:
    with stage_run(DEFAULTS, "train", "demo") as run, told.Live(run, "cnn", range(4)) as live:

        def tell(seed: int) -> None:
            for epoch in range(1, 11):
                live.epoch(_progress(seed, epoch, float(seed)))

        threads = [threading.Thread(target=tell, args=(seed,)) for seed in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    assert _val(project, "train") == [(epoch, 1.5) for epoch in range(1, 11)]


def test_a_verdict_goes_to_the_newest_training_that_gave_these_curves(
    project: Any, tmp_path: Path
) -> None:
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text("epoch\n1\n")
    second.write_text("epoch\n2\n")
    saved = tmp_path / "net.keras"
    saved.write_text("weights")
    manifest: Any = SimpleNamespace(dataset="demo", image_shape=(2, 2, 1), class_names=("a", "b"))
    for curves, rate in ((first, "old"), (first, "new"), (second, "other")):
        with stage_run(DEFAULTS, "train@cnn", "demo") as run:
            told.model(run, saved, "cnn", manifest, curves)
            run.log_tags({"rate": rate})
    with stage_run(DEFAULTS, "judge@cnn", "demo") as run:
        told.attached(run, "cnn", first, {"final/val/loss": 0.25}, {"verdict": "overfit"})
        told.attached(run, "dense", first, {}, {"verdict": "nobody's"})
    found = project.rows(
        "SELECT rates.value, tags.value FROM tags JOIN tags AS rates USING (run_uuid)"
        " WHERE tags.key = 'verdict' AND rates.key = 'rate'"
    )
    assert found == [("new", "overfit")]
    final = "SELECT value FROM metrics WHERE key = 'final/val/loss'"
    assert project.rows(final) == [(0.25,)]


def test_classes_have_names_that_mlflow_takes() -> None:
    names = ["T-shirt/top", "靴", "a/b", "a_b", "💥"]
    assert told.metric_names(names) == ["T-shirt_top", "靴", "a_b 2", "a_b 3", "_"]


def _of_classes(num_classes: int) -> Any:
    """A model that is right on the first image of each class and never on the second."""
    labels = np.repeat(np.arange(num_classes), 2)
    predicted = labels + np.arange(len(labels)) % 2
    sure = 0.5 * np.eye(num_classes)[predicted % num_classes] + 0.5 / num_classes
    splits = {name: Predictions(sure[None], labels) for name in ("probe", "val")}
    names = [f"class {number}" for number in range(num_classes)]
    models = evaluation.evaluate({"net": splits}, {}, names, DEFAULTS.evaluate.rules)
    return models["net"], names


def test_every_class_is_a_metric_a_row_and_a_curve(project: Any, tmp_path: Path) -> None:
    model, names = _of_classes(3)
    curves = tmp_path / "net.csv"
    pd.DataFrame(_rows(1, 0.5)).assign(seed=0).to_csv(curves, index=False)
    with stage_run(DEFAULTS, "evaluate", "demo") as run:
        told.evaluated(run, "net", model, curves, names)
    found = {name: x for name, _, x in project.points("evaluate net")}
    assert found["final/val/f1/class 1"] == pytest.approx(0.5)
    assert "final/val/roc_auc" in found and "final/val/top_5_accuracy" not in found
    tags = project.tags("evaluate net")
    assert json.loads(tags["mlflow.loggedArtifacts"]) == [
        {"path": "per_class.json", "type": "table"}
    ]
    table = json.loads(project.artifact("evaluate net", "per_class.json").read_text())
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    (row,) = [one for one in rows if one["split"] == "val" and one["class_name"] == "class 1"]
    assert [row[name] for name in ("tp", "fp", "fn", "tn")] == [1, 1, 1, 3]
    assert project.artifact("evaluate net", "roc_and_precision_recall_val.png").exists()


def test_of_twenty_classes_five_guesses_count() -> None:
    model, _ = _of_classes(20)
    areas = {"val": pd.DataFrame({"roc_auc": [0.5], "average_precision": [0.5]})}
    found = told._by_class(model, areas)
    assert found["final/val/top_5_accuracy"] >= found["final/val/f1/class 0"]
    assert len([name for name in found if name.startswith("final/val/f1/")]) == 20


def _evaluated(loss: float) -> Any:
    scores = {"loss": loss, "accuracy": 0.75, "num_seeds": 2, "accuracy_interval": [0.5, 1.0]}
    judgement = SimpleNamespace(tags=lambda: {"verdict": "overfit"})
    metrics = {"val": scores, "test": scores}
    return SimpleNamespace(metrics=metrics, judgement=judgement, held_out="test")


def test_final_scores_have_names_of_their_own() -> None:
    assert told._final(_evaluated(0.25)) == {
        "final/val/loss": 0.25,
        "final/val/accuracy": 0.75,
        "final/test/loss": 0.25,
        "final/test/accuracy": 0.75,
    }


def test_the_experiments_page_has_the_table_of_results(project: Any) -> None:
    with stage_run(DEFAULTS, "evaluate", "demo") as run:
        told.compared(run, {"dense": _evaluated(0.25), "cnn": _evaluated(0.125)})
    query = "SELECT value FROM experiment_tags WHERE key = 'mlflow.note.content'"
    ((text,),) = project.rows(query)
    assert text.startswith("**Overfit Atlas**")
    assert text.splitlines()[-2:] == [
        "| dense | test | 0.25 | 0.75 | - | - | - | overfit |",
        "| cnn | test | 0.125 | 0.75 | - | - | - | overfit |",
    ]
