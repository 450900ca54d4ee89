"""The command: what it prints, what it writes, and its exit status."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from overfit_atlas import cli


@pytest.fixture
def log(tmp_path):
    """A Keras CSVLogger file of a net whose validation loss turns at epoch 8 of 24."""
    epochs = np.arange(24)
    val = np.where(epochs < 8, 1.2 - 0.1 * epochs, 0.5 + 0.05 * (epochs - 7))
    rows = [
        f"{t},{0.9 - 0.3 * 0.8**t:.4f},{1.3 * 0.85**t:.4f},{0.8:.4f},{loss:.4f}"
        for t, loss in zip(epochs, val, strict=True)
    ]
    path = tmp_path / "training.csv"
    path.write_text("\n".join(["epoch,accuracy,loss,val_accuracy,val_loss", *rows]))
    return path


def test_a_log_is_judged_and_the_record_written(log, tmp_path, capsys):
    out = tmp_path / "deep" / "record.json"
    assert cli.main(["diagnose", str(log), "--json", str(out)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("read: train loss, train accuracy, val loss, val accuracy from 1 fit")
    assert "overfit" in printed
    record = json.loads(out.read_text())
    [judged] = record["judgements"]
    assert judged["verdict"] == "overfit" and judged["onset"]["loss"]["epoch"] in (7, 8, 9)
    assert record["read"]["fits"][0]["epochs"] == 24
    assert record["read"]["fits"][0]["last"]["val_loss"] == pytest.approx(1.3)
    assert [path.name for path in out.parent.iterdir()] == ["record.json"]


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ([], 0),
        (["--fail-on", "overfit"], 1),
        (["--fail-on", "overfit", "--at", "0.5"], 1),
        (["--fail-on", "underfit"], 0),
        (["--fail-on", "undetermined"], 0),
    ],
)
def test_a_gate_for_continuous_integration(log, more, status):
    assert cli.main(["diagnose", str(log), *more]) == status


def test_a_log_of_accuracies_alone_tells_them(tmp_path, capsys):
    path = tmp_path / "log.csv"
    path.write_text("epoch,acc,val_acc\n" + "".join(f"{i},0.{50 + i},0.6\n" for i in range(9)))
    assert cli.main(["diagnose", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "On training images 58.0% are right, on validation 60.0%" in printed
    assert "nan" not in printed


def test_folds_that_stopped_at_different_epochs(tmp_path, capsys):
    rows = [
        f"{fold},{e},{1 / (e + 1):.4f},{1 / (e + 1) + 0.1 * fold:.4f}"
        for fold, epochs in ((1, 12), (2, 25))
        for e in range(epochs)
    ]
    path = tmp_path / "folds.csv"
    path.write_text("\n".join(["fold,epoch,loss,val_loss", *rows]))
    assert cli.main(["diagnose", str(path)]) == 0
    assert "2 fits of 12 and 25 epochs" in capsys.readouterr().out


def test_several_models_stand_in_a_table(log, tmp_path, capsys):
    (tmp_path / "other.csv").write_text(log.read_text().replace("0.8000", "0.7000"))
    assert cli.main(["diagnose", str(tmp_path)]) == 0
    header, *rows = capsys.readouterr().out.split("\n\n")[1].splitlines()
    assert header.split("  ")[0] == "model" and "lowest val loss (epoch)" in header
    assert [row.split()[0] for row in rows] == ["other", "training"]
    assert all("0.500 (7)" in row and "1.300" in row for row in rows)
    assert "70.0%" in rows[0] and "80.0%" in rows[1]
    cli.main(["diagnose", str(tmp_path), "--language", "ja"])
    assert "検証損失の最小" in capsys.readouterr().out
    cli.main(["diagnose", str(log)])
    assert "lowest val loss (epoch)" not in capsys.readouterr().out


def test_japanese(log, capsys):
    cli.main(["diagnose", str(log), "--language", "ja"])
    assert "過学習" in capsys.readouterr().out


def test_what_cannot_be_read_is_refused_in_one_line(tmp_path, capsys):
    assert cli.main(["diagnose", str(tmp_path / "none.csv")]) == 2
    error = capsys.readouterr().err
    assert len(error.strip().splitlines()) == 1 and "none.csv" in error


@pytest.mark.parametrize(
    "arguments",
    [[], ["diagnose"], ["diagnose", "x", "--at", "2"], ["diagnose", "x", "--classes", "1"], ["no"]],
)
def test_a_wrong_command_line_has_a_status_of_its_own(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 64
    assert "usage" in capsys.readouterr().err


def test_the_page_of_a_log_is_written(log, tmp_path, capsys):
    out = tmp_path / "new" / "page.html"
    assert cli.main(["page", str(log), "--out", str(out), "--language", "ja"]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    assert "過学習している</h1>" in out.read_text(encoding="utf-8")


def test_formats_are_listed(capsys):
    assert cli.main(["formats"]) == 0
    assert "keras" in capsys.readouterr().out.lower()


def test_it_runs_as_a_module(log):
    done = subprocess.run(
        [sys.executable, "-m", "overfit_atlas", "diagnose", str(log)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "overfit" in done.stdout and done.stderr == ""


def test_the_package_is_imported_in_no_time_and_without_pandas():
    code = "import sys, overfit_atlas; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {
        "pandas",
        "scipy",
        "keras",
        "tensorflow",
        "mlflow",
        "matplotlib",
        "sklearn",
        "pipeline",
    }
    assert heavy & set(done.stdout.split()) == set()


@pytest.mark.parametrize("command", [["diagnose", "--json"], ["page", "--out"]])
def test_what_is_read_is_never_written_over(log, tmp_path, capsys, command):
    before = log.read_bytes()
    link = tmp_path / "other.json"
    link.symlink_to(log)
    for source, out in [(log, log), (log, link), (tmp_path, log), (log, tmp_path)]:
        assert cli.main([command[0], str(source), command[1], str(out)]) == 2
        assert capsys.readouterr().err.startswith(f"error: {out} ")
    assert log.read_bytes() == before


def test_a_record_in_the_folder_that_is_read_is_written_anew(log, tmp_path):
    out = tmp_path / "record.json"
    for _ in range(2):
        assert cli.main(["diagnose", str(tmp_path), "--json", str(out)]) == 0
        assert len(json.loads(out.read_text())["judgements"]) == 1


def test_names_in_a_log_do_not_act_on_the_terminal(log, tmp_path, capsys):
    odd = tmp_path / "odd.csv"
    text = log.read_text()
    odd.write_text(text.replace("accuracy", "x\x1b]0;y\x07\x9bz", 1) + "\n")
    bad = tmp_path / "bad.csv"
    bad.write_text("a\u202eb,c\x1b[2J\x07\n1,2\n")
    assert cli.main(["diagnose", str(odd)]) == 0
    assert cli.main(["diagnose", str(bad)]) == 2
    printed = capsys.readouterr()
    models = "model,epoch,loss,val_loss\n" + "".join(
        f"a\u202eb,{epoch},1,1\nc,{epoch},1,1\n" for epoch in range(6)
    )
    odd.write_text(models)
    out = tmp_path / "record.json"
    assert cli.main(["diagnose", str(odd), "--json", str(out)]) == 0
    assert [one["name"] for one in json.loads(out.read_text())["judgements"]] == [r"a\u202eb", "c"]
    assert r"x\x1b]0;y\x07\x9bz" in printed.out and r"a\u202eb" in printed.err
    assert all(one.isprintable() or one == "\n" for one in printed.out + printed.err)


def test_a_terminal_without_the_letters_gets_their_numbers(log):
    command = [sys.executable, "-m", "overfit_atlas", "diagnose", str(log), "--language", "ja"]
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    done = subprocess.run(command, capture_output=True, env=environment, check=True)
    assert done.stdout.startswith(b"\\u") and done.stderr == b""


@pytest.mark.parametrize("left", ["| true", ">&-"])
def test_a_gate_closes_and_the_record_is_written_though_nobody_reads(log, tmp_path, left):
    out = tmp_path / "record.json"
    command = f"{sys.executable} -m overfit_atlas diagnose {log} --fail-on overfit --json {out}"
    done = subprocess.run(
        ["bash", "-c", f"{command} {left}; exit ${{PIPESTATUS[0]}}"], capture_output=True
    )
    assert (done.returncode, done.stderr) == (1, b"")
    assert json.loads(out.read_text())["judgements"]


def test_want_of_memory_is_said_in_one_line(log, capsys, monkeypatch):
    def judged(*_):
        raise MemoryError

    monkeypatch.setattr(cli.logged, "judge_read", judged)
    assert cli.main(["diagnose", str(log)]) == 2
    assert capsys.readouterr().err == "error: too large for the memory that there is\n"
