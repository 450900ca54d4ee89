import signal
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from matplotlib.figure import Figure

from pipeline import params
from pipeline.tracking import outbox, send_kept, stage_run
from pipeline.tracking.runs import flat_params
from pipeline.tracking.service import Service

DEFAULTS = params.parse({})
STAGE = """
import os, signal, sys
from pipeline import params
from pipeline.tracking import stage_run
with stage_run(params.parse({}), "train", "demo") as run:
    with run.child("seed 0") as child:
        child.log_metrics({"val/loss": 0.5}, step=1)
        os.kill(os.getpid(), getattr(signal, sys.argv[1]))
        signal.pause()
"""


def _stage(code: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """A stage in a process of its own, which starts no sender, for it finds one at work: us.

    Else that sender would take what this process means to send itself, and be slower.
    """
    with outbox.sending() as mine:
        assert mine
        return subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True
        )


def test_a_stage_is_one_run_with_parameters_tags_and_metrics(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_STAGE", "train@cnn")
    monkeypatch.setenv("DVC_EXP_NAME", "tiny")
    with stage_run(DEFAULTS, "train", "demo", ["seed", "train.schedule.name"]) as run:
        run.log_metrics({"best/val/loss": 0.25, "broken": float("nan")})
    assert project.runs() == {"train@cnn": "FINISHED"}
    assert project.params("train@cnn") == {
        "seed": "0",
        "train.schedule.name": "constant",
    }
    assert project.points("train@cnn") == {("best/val/loss", 0, 0.25)}
    tags = project.tags("train@cnn")
    assert tags["stage"] == "train"
    assert tags["dvc_experiment"] == "tiny"
    assert tags["group"].startswith("tiny ")
    assert tags["group"].endswith(tags["params_hash"])
    system = project.rows("SELECT DISTINCT key FROM metrics WHERE key LIKE 'system/%'")
    assert ("system/cpu_utilization_percentage",) in system
    assert tags["mlflow.note.content"].startswith("One model, fitted once for each seed.")


def test_where_fits_run_does_not_change_the_params_hash(project: Any) -> None:
    overrides = {"plain": {}, "workers": {"workers.count": 2}, "epochs": {"train.epochs": 7}}
    for name, given in overrides.items():
        with stage_run(params.parse({}, given), name, "demo"):
            pass
    hashes = {name: project.tags(name)["params_hash"] for name in overrides}
    assert hashes["plain"] == hashes["workers"] != hashes["epochs"]


def test_seeds_are_children_with_curves_of_the_same_names(project: Any) -> None:
    table = pd.DataFrame(
        {"seed": [3, 3], "epoch": [1, 2], "split": ["val", "val"], "loss": [0.5, 0.25]}
    )
    with stage_run(DEFAULTS, "train", "demo") as run:
        run.log_curves(table)
        with run.child("seed 3", {"seed": "3"}) as child:
            child.log_curves(table)
    curve = {("val/loss", 1, 0.5), ("val/loss", 2, 0.25)}
    assert project.points("train") == project.points("seed 3") == curve
    parent = project.rows("SELECT run_uuid FROM runs WHERE name = 'train'")[0][0]
    assert project.tags("seed 3")["mlflow.parentRunId"] == parent
    assert project.tags("seed 3")["seed"] == "3"
    assert project.tags("seed 3")["group"] == project.tags("train")["group"]


def test_long_curves_are_complete(project: Any) -> None:
    epochs = range(1, 1502)
    table = pd.DataFrame({"seed": 0, "epoch": epochs, "split": "val", "loss": 0.5, "ece": 0.1})
    with stage_run(DEFAULTS, "train", "demo") as run:
        run.log_curves(table)
    assert len(project.points("train")) == 2 * 1501


def test_artifacts_have_the_names_and_content_given(project: Any) -> None:
    figure = Figure(figsize=(1, 1))
    table = pd.DataFrame({"class": ["shirt", "bag"], "f1": [0.5, 1.0]})
    with stage_run(DEFAULTS, "evaluate", "demo") as run:
        run.log_figure(figure, "learning_curves.png")
        run.log_table(table, "val/per_class.csv")
        run.log_text("good fit", "verdict.txt")
        run.log_file(project.root / "mlruns" / "mlflow.db", "copies")
    png = project.artifact("evaluate", "learning_curves.png").read_bytes()
    assert png.startswith(b"\x89PNG")
    csv = project.artifact("evaluate", "val/per_class.csv").read_text()
    assert csv == "class,f1\nshirt,0.5\nbag,1.0\n"
    assert project.artifact("evaluate", "verdict.txt").read_text() == "good fit"
    assert project.artifact("evaluate", "copies/mlflow.db").is_file()


def test_the_data_set_is_an_input_known_by_its_content(project: Any) -> None:
    manifest: Any = SimpleNamespace(
        dataset="digits", content_hash="ab" * 32, counts={"train": [3, 4]}
    )
    with stage_run(DEFAULTS, "train", "demo") as run:
        run.log_dataset(manifest)
        run.log_dataset(manifest)
    found = project.rows("SELECT name, digest, dataset_profile FROM datasets")
    assert found == [("digits", "ab" * 16, '{"num_train": 7, "per_class": {"train": [3, 4]}}')]
    assert len(project.rows("SELECT * FROM inputs")) == 1
    assert project.tags("train")["data_hash"] == "ab" * 16


def test_an_error_fails_the_run_and_says_why(project: Any) -> None:
    with pytest.raises(ZeroDivisionError), stage_run(DEFAULTS, "train", "demo") as run:
        with run.child("seed 0"):
            pass
        with run.child("seed 1"):
            raise ZeroDivisionError("by zero")
    assert project.runs() == {"train": "FAILED", "seed 0": "FINISHED", "seed 1": "FAILED"}
    assert project.tags("train")["failure"] == "ZeroDivisionError: by zero"


def test_a_fit_may_fail_while_its_stage_goes_on(project: Any) -> None:
    with stage_run(DEFAULTS, "train", "demo") as run, run.child("seed 0") as child:
        child.fail("loss is NaN in epoch 3")
    assert project.runs() == {"train": "FINISHED", "seed 0": "FAILED"}
    assert project.tags("seed 0")["failure"] == "loss is NaN in epoch 3"


def test_a_child_may_end_before_its_block(project: Any) -> None:
    with stage_run(DEFAULTS, "train", "demo") as run, run.child("seed 0") as child:
        child.fail("loss is NaN")
        child.end()
        send_kept()
        assert project.runs() == {"train": "RUNNING", "seed 0": "FAILED"}
    assert project.runs() == {"train": "FINISHED", "seed 0": "FAILED"}


def test_a_stage_imports_no_mlflow(project: Any) -> None:
    code = (
        "import sys\n"
        "from pipeline import params\n"
        "from pipeline.tracking import stage_run, told\n"
        "with stage_run(params.parse({}), 'train', 'demo') as run:\n"
        "    run.log_metrics({'a': 1})\n"
        "print({'mlflow', 'sqlalchemy', 'requests', 'tensorflow'} & sys.modules.keys())\n"
    )
    done = _stage(code)
    assert (done.returncode, done.stdout) == (0, "set()\n"), done.stderr


def test_ctrl_c_kills_the_run(project: Any) -> None:
    with pytest.raises(KeyboardInterrupt), stage_run(DEFAULTS, "train", "demo"):
        raise KeyboardInterrupt
    assert project.runs() == {"train": "KILLED"}


def test_sigterm_ends_the_process_and_the_run(project: Any) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as exit, stage_run(DEFAULTS, "train", "demo"):
        signal.raise_signal(signal.SIGTERM)
    assert exit.value.code == 128 + signal.SIGTERM
    assert project.runs() == {"train": "KILLED"}
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_next_stage_ends_what_a_killed_process_left_running(project: Any) -> None:
    with stage_run(DEFAULTS, "alive", "demo"):
        assert _stage(STAGE, "SIGKILL").returncode == -signal.SIGKILL
        with stage_run(DEFAULTS, "next", "other"):
            pass
        assert project.runs() == {
            "alive": "RUNNING",
            "train": "KILLED",
            "seed 0": "KILLED",
            "next": "FINISHED",
        }
    assert project.tags("train")["failure"] == "its process was killed"
    assert project.points("seed 0") == {("val/loss", 1, 0.5)}


def test_no_password_is_logged_and_long_values_are_cut(project: Any) -> None:
    storage = "postgresql://anna:hunter2@db/optuna"
    given = params.parse({"tune": {"storage": storage, "widths": list(range(1, 101))}})
    with stage_run(given, "tune", "demo", ["tune"]) as run:
        run.log_tags({"long": "x" * 600})
    assert project.params("tune")["tune.storage"] == "postgresql://***@db/optuna"
    assert project.tags("tune")["long"] == "x" * 497 + "..."
    assert b"hunter2" not in project.database.read_bytes()


def test_a_deleted_experiment_is_restored(project: Any) -> None:
    with stage_run(DEFAULTS, "first", "demo"):
        pass
    service = Service("demo")
    service.client.delete_experiment(service.experiment)
    with stage_run(DEFAULTS, "second", "demo"):
        pass
    assert project.runs()["second"] == "FINISHED"


def test_flat_params_names_every_key_of_a_section() -> None:
    flat = flat_params(DEFAULTS, ["seed", "train.schedule", "report"])
    assert flat["train.schedule.name"] == "constant"
    assert flat["report.language"] == "en"
    assert "train.epochs" not in flat
    assert (
        flat_params(params.parse({"models": {"cnn": {"train": {"epochs": 3}}}}), ["models.cnn"])[
            "models.cnn.train.epochs"
        ]
        == 3
    )


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_clock_that_is_changed_in_the_middle_loses_nothing_and_ends_no_living_run(
    project: Any, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    seconds, nanoseconds = time.time, time.time_ns
    with stage_run(DEFAULTS, "train", "demo") as run:
        run.log_metrics({"val/loss": 0.5}, step=1)
        monkeypatch.setattr(time, "time", lambda: seconds() + 3600 * hours)
        monkeypatch.setattr(time, "time_ns", lambda: nanoseconds() + 3600 * hours * 10**9)
        with stage_run(DEFAULTS, "evaluate", "demo"):
            send_kept()
            assert project.runs() == {"train": "RUNNING", "evaluate": "RUNNING"}
        run.log_metrics({"val/loss": 0.25}, step=2)
    assert project.runs() == {"train": "FINISHED", "evaluate": "FINISHED"}
    assert project.points("train") == {("val/loss", 1, 0.5), ("val/loss", 2, 0.25)}
