"""The benchmarks' own promises: sums that add up, and no number from a run that went wrong."""

import importlib
import json
import sys
import time
from collections import defaultdict
from contextlib import nullcontext
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from benchmarks import (
    against,
    commands,
    core,
    made,
    processes,
    rows,
    setting,
    stopwatch,
    studies,
    table,
    whole,
)
from benchmarks.__main__ import _measured, parser
from benchmarks.measured import Measured, ratios, same, software
from benchmarks.processes import BenchmarkError, Side, finite, timed

BARS = {row.name: row for row in rows.ROWS}


@pytest.fixture
def found():
    return Measured(
        name="dense-64",
        unit="s/image",
        notebook=[8e-4, 4e-4, 9e-4],
        ours=[1e-4, 1e-4, 1e-4],
        notebook_losses=[0.50, 0.52, 0.54],
        ours_losses=[0.51, 0.53, 0.52],
        load=(1.0, 2.0),
        when="2026-01-01",
        remark="a remark",
    )


def test_a_ratio_is_the_median_of_the_rounds(found):
    assert ratios([8, 6], [2, 3]) == [4, 2]
    assert found.ratio() == pytest.approx(8)
    assert replace(found, unit="MB").middle() == 1e-4


def test_rounds_of_unequal_number_are_refused():
    with pytest.raises(ValueError):
        ratios([1.0, 2.0], [1.0])


def test_losses_are_the_same_within_the_spread_of_seeds(found):
    assert found.same_loss() is True
    assert replace(found, ours_losses=[0.61, 0.63, 0.62]).same_loss() is False
    assert replace(found, ours_losses=[0.51, 0.53]).same_loss() is None  # too few seeds
    assert same([0.5, 0.5, 0.5], [0.50002, 0.50002, 0.50002])
    assert not same([0.5, 0.5, 0.5], [0.501, 0.501, 0.501])


@pytest.mark.parametrize("answer", [{"loss": float("nan")}, {"loss": float("inf")}, {}])
def test_a_loss_that_is_not_finite_is_refused(answer):
    with pytest.raises(BenchmarkError, match="ours: the validation loss is"):
        finite(answer, "ours")


def test_a_command_that_fails_is_refused():
    with pytest.raises(BenchmarkError, match=r"exit code 3: .*what went wrong"):
        timed([sys.executable, "-c", "import sys; print('what went wrong'); sys.exit(3)"])
    seconds, printed = timed([sys.executable, "-c", "print(1)"])
    assert seconds > 0
    assert printed == "1\n"


def test_a_side_that_dies_is_refused_with_its_words():
    with (
        pytest.raises(BenchmarkError, match="No module named 'benchmarks.nowhere'"),
        Side("nowhere") as side,
    ):
        side.ask("trained")


def test_measured_processes_have_no_threads_set_and_keep_bytecode(monkeypatch):
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "1")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert set(processes.THREADS).isdisjoint(processes.environment())
    assert "PYTHONDONTWRITEBYTECODE" not in processes.environment()


@pytest.mark.parametrize(
    ("name", "value", "reached"),
    [
        ("dense-64", 8.0, "aim"),
        ("dense-64", 4.0, "least"),
        ("dense-64", 3.9, "missed"),
        ("memory", 210, "aim"),
        ("memory", 251, "missed"),
        ("no-op", 0.8, "least"),
    ],
)
def test_what_is_reached(name, value, reached):
    assert BARS[name].reached(value) == reached


def test_the_table_says_what_was_not_measured(found, tmp_path):
    document = tmp_path / "performance.md"
    begin, end = table.PARTS
    stages = f"{begin}\nold\n{end}\nafter\n"
    document.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\n{stages}", encoding="utf-8")
    table.write({"dense-64": found}, document)
    text = document.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{table.BEGIN}\n| work |")
    assert text.endswith(f"{end}\nafter\n")
    assert "old" not in text
    assert "| **8x** (4 to 9), aim | 1,250 images/s | 10,000 images/s | yes: 0.520" in text
    assert "a remark; 3 rounds, 2026-01-01, load average 1.0 to 2.0" in text
    assert text.count("not measured") == len(rows.ROWS)  # of the rows one is, of stages none
    assert "tensorflow 2" in software()
    table.write({}, document)
    assert "**8x**" not in document.read_text(encoding="utf-8")


def test_rows_of_two_machines_stand_beside_each_other(found):
    here = replace(found, machine="one, 2 cores", software="Linux")
    there = replace(here, name="dense-400", machine="other, 2 cores")
    text = table.markdown({one.name: one for one in (here, there)})
    assert "load average 1.0 to 2.0, machine A |" in text
    assert "load average 1.0 to 2.0, machine B |" in text
    assert "- Machine A: one, 2 cores; Linux.\n- Machine B: other, 2 cores; Linux." in text


@pytest.mark.parametrize(
    ("ours", "fell"),
    [
        ([1.1e-4, 1.2e-4, 1.0e-4], False),
        ([2.1e-4, 2.2e-4, 2.3e-4], True),  # 3.5 to 3.8 times, where it was 4 to 9
        ([1.9e-4, 2.2e-4, 2.3e-4], False),  # one round is as good as the worst before
        ([0.1e-4, 0.1e-4, 0.1e-4], False),  # better
    ],
)
def test_a_row_fell_where_every_round_is_worse_than_every_round_before(found, ours, fell):
    now = replace(found, ours=ours, notebook=[8e-4, 8e-4, 8e-4])
    line, answer = against.compared(BARS["dense-64"], now, found)
    assert answer is fell
    assert ("FELL" in line) is fell and line.startswith("dense-64: 8 -> ")


def test_seconds_fall_where_they_grow_and_other_machines_are_not_compared(found):
    row = BARS["no-op"]
    before = Measured("no-op", "s", [1.0, 1.1, 1.05], machine="one")
    slower = replace(before, ours=[1.2, 1.3, 1.25])
    assert against.compared(row, slower, before) == (
        "no-op: 1.05 -> 1.25 s (+19.0%): FELL: every round is worse than every round before", True
    )  # fmt: skip
    assert not against.compared(row, before, slower)[1]
    for other in (replace(slower, machine="two"), replace(slower, shrink=8)):
        line, fell = against.compared(row, other, before)
        assert "not compared" in line and not fell
    assert against.compared(row, slower, None) == ("no-op: nothing to compare with", False)


@pytest.mark.parametrize("row", [core.reader, core.judging, core.page], ids=lambda x: x.__name__)
def test_rows_of_the_core_are_timed_for_real(row, tmp_path):
    found = row("name", setting.Setting(tmp_path, 1, 8, said=lambda _: None))
    assert 0 < found.middle() < 60 and found.shrink == 8 and "GiB" in found.machine


def test_the_seconds_of_stages_add_up(found, tmp_path):
    said = table.parts(replace(found, unit="s", parts={"train@cnn": 12.25, "report": 1.5}))
    assert said.splitlines()[2:] == [
        "| train@cnn | 12.2 |", "| report | 1.5 |", "| **together** | **13.8** |"
    ]  # fmt: skip
    script = "import time\nfor name in 'ab':\n  print(f\"Running stage '{name}':\", flush=True)\n"
    began = time.perf_counter()
    parts = dict(whole._by_stage((sys.executable, "-c", script + "  time.sleep(0.2)"), tmp_path))
    assert list(parts) == ["DVC before its first stage", "a", "b"]
    assert min(parts["a"], parts["b"]) >= 0.19
    assert 0.4 < sum(parts.values()) <= time.perf_counter() - began
    with pytest.raises(BenchmarkError, match="failed:"):
        list(whole._by_stage((sys.executable, "-c", "raise SystemExit(3)"), tmp_path))


def test_a_document_without_the_comments_is_left_alone(tmp_path):
    document = tmp_path / "performance.md"
    document.write_text("mine\n", encoding="utf-8")
    with pytest.raises(ValueError, match="are missing"):
        table.write({}, document)
    assert document.read_text(encoding="utf-8") == "mine\n"


def test_a_quick_or_different_loss_is_said(found):
    quick = table.line(BARS["dense-64"], replace(found, quick=True, ours_losses=[9.0, 9.1, 9.2]))
    assert "quick: fewer or smaller than meant" in quick
    assert "**no**: 0.520" in quick


def test_the_record_is_read_as_it_was_written(found, tmp_path):
    path = tmp_path / "measured.json"
    table.record({found.name: found}, path)
    assert table.read(path) == {found.name: found}
    assert table.read(tmp_path / "none.json") == {}


def test_images_are_real_and_of_the_size_asked_for(tmp_path):
    from pipeline.data import prepared

    data = prepared.read(made.write(tmp_path / "data", 40, 20, (32, 32, 3)))
    assert data.train.images.shape == (40, 32, 32, 3)
    assert len(data.val) == len(data.probe) == 20
    assert not data.train.images[:, :2].any()  # the margin
    assert data.train.images[:, 2:30, 2:30].any(axis=(1, 2, 3)).all()


def test_both_sides_train_the_same_net(tmp_path):
    notebook = pytest.importorskip("benchmarks.notebook")
    from benchmarks import ours
    from pipeline import models

    folder = str(made.write(tmp_path / "data", 96, 32, (28, 28, 1)))
    for model, width in (("dense", 5), ("cnn", 3)):
        task = ours.task(folder, model, width, 1, 0, 0.5)
        built = models.build(model, task.section, (28, 28, 1), 10, 0)
        assert notebook.network(model, width, 0.5, (28, 28, 1)).count_params() == (
            built.count_params()
        )
    request = {"folder": folder, "model": "dense", "width": 4, "epochs": 2, "seed": 0}
    plain, own = notebook.fit(**request), ours.trained(**request)
    for answer in (plain, own):
        assert len(answer["epochs"]) == 2
        assert sum(answer["epochs"]) <= answer["seconds"]
        assert 1.5 < finite(answer, "a side") < 3.5  # nats; guessing among ten has 2.3


def test_cross_entropy_of_known_probabilities():
    notebook = pytest.importorskip("benchmarks.notebook")
    probabilities = np.array([[0.5, 0.5], [0.25, 0.75]])
    expected = -(np.log(0.5) + np.log(0.75)) / 2
    assert notebook.cross_entropy(probabilities, np.array([0, 1])) == pytest.approx(expected)


def test_every_fit_of_a_study_must_come_back(tmp_path):
    quiet = setting.Setting(tmp_path, rounds=1, said=lambda _: None)
    script = ["-c", 'print(\'{"num_fits": 3, "loss": 1.0}\')']
    sides = dict.fromkeys(("notebook", "ours"), (lambda *_: script, studies._answer))
    with pytest.raises(BenchmarkError, match="3 of 4 fits"):
        studies._alternating("map", sides, 4, quiet, "")


def test_the_light_stage_is_timed_for_real(tmp_path):
    found = commands.light_stage("light-stage", setting.Setting(tmp_path, 1, said=lambda _: None))
    assert 0.05 < found.middle() < 60
    assert found.quick
    assert "processor time" in found.remark


def test_the_stopwatch_counts_the_start_of_a_stage_and_not_its_work(tmp_path):
    (tmp_path / "heavy.py").write_text("import time\ntime.sleep(0.3)\n", encoding="utf-8")
    (tmp_path / "stage.py").write_text(
        "import sys, time\n"
        "import heavy\n"
        "assert __name__ == '__main__'\n"
        "assert sys.argv[1:] == ['one']\n"
        "time.sleep(0.4)\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "benchmarks.stopwatch", "stage", "one"]
    taken, _ = timed(command, tmp_path)
    found = json.loads((tmp_path / stopwatch.RECORD).read_text(encoding="utf-8"))
    assert 0.3 <= found["imports"] <= found["seconds"] - 0.4
    assert found["seconds"] < taken


def test_the_stopwatch_counts_what_lies_in_another_once(monkeypatch):
    spent = defaultdict(float)
    monkeypatch.setattr(stopwatch, "_spent", spent)
    with stopwatch._Watched(nullcontext(7), "mlflow") as value:
        assert value == 7
    with stopwatch._timed("workers"), stopwatch._timed("imports"):
        pass
    assert set(spent) == {"mlflow", "workers"}


@pytest.mark.parametrize("name", list(stopwatch.WATCHED))
def test_what_the_stopwatch_watches_is_there(name, monkeypatch):
    module, (function, kind) = importlib.import_module(name), stopwatch.WATCHED[name]
    assert kind in stopwatch.PARTS
    monkeypatch.setattr(module, function, lambda: nullcontext())
    monkeypatch.setattr(stopwatch, "WATCHED", {name: (function, kind)})
    stopwatch._watch()
    assert isinstance(getattr(module, function)(), stopwatch._Watched)


def test_help_names_all_rows_and_the_other_benchmarks(capsys):
    with pytest.raises(SystemExit):
        parser().parse_args(["--help"])
    printed = capsys.readouterr().out
    assert all(name in printed for name in BARS)
    assert "benchmarks.truth" in printed
    assert "benchmarks.sampler" in printed


@pytest.mark.parametrize("lacking", ["playwright", "chromium"])
def test_the_first_picture_is_not_measured_without_a_browser(lacking, monkeypatch, tmp_path):
    (tmp_path / "results" / "report").mkdir(parents=True)
    (tmp_path / "results" / "report" / "index.html").touch()
    monkeypatch.setattr(commands, "ROOT", tmp_path)
    monkeypatch.setattr(commands, "find_spec", lambda name: None if name == lacking else name)
    monkeypatch.setattr(commands.make_images, "chromium_path", lambda: None)
    row, said = BARS["first-picture"], StringIO()
    given = setting.Setting(tmp_path, 1, 1, print)
    assert _measured(row, given, Console(file=said)) is None
    assert "first-picture: not measured" in said.getvalue()
    way_out = {"playwright": "make .venv/ready-to-test", "chromium": "apt install chromium"}
    assert way_out[lacking] in said.getvalue()
