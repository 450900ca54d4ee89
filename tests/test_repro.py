"""The whole pipeline for real: every DVC stage, on real images, in a copy of the project."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline import params
from pipeline.comparing import record
from pipeline.params import MODEL_NAMES, trained_by
from tests.servers import free_port, s3_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
SMALL = Path(__file__).with_name("small.yaml")
REMEDIES = f"{record.FOLDER}/remedies.yaml"
# One of each kind: another net, training or data, one that is no fit of its own, several fits.
VARIANTS = ("dropout", "early stopping", "twice the data", "one temperature", "ensemble of 3")
SCORES = {
    "accuracy",
    "loss",
    "macro_f1",
    "worst_class_f1",
    "ece",
    "brier",
    "accuracy_interval",
    "num_seeds",
    "num_images",
}


class Project:
    """The project in a folder, and commands that are run there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.extra: dict[str, str] = {}  # environment variables

    def commit(self, message: str) -> None:
        """Commit all that git would track."""
        author = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
        self.run("git", "add", "-A")
        self.run("git", *author, "commit", "-q", "-m", message)

    def clone(self, root: Path) -> "Project":
        """A fresh clone of what is committed."""
        self.run("git", "clone", "-q", str(self.root), str(root))
        return Project(root)

    def set(self, key: str, value: Any) -> None:
        """Change one key of params.yaml."""
        yaml = YAML()
        document = yaml.load(self.root / "params.yaml")
        *sections, last = key.split(".")
        reduce(lambda section, name: section.setdefault(name, {}), sections, document)[last] = value
        yaml.dump(document, self.root / "params.yaml")

    def run(self, *command: str) -> str:
        """What a command prints; it must succeed."""
        done = subprocess.run(
            command, cwd=self.root, env=self.environment(), capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
        return done.stdout

    def environment(self) -> "dict[str, str]":
        """What commands in this copy get, and no address or folder of another project."""
        found = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        for variable in ("MLFLOW_TRACKING_URI", "DVC_ROOT", "DVC_STAGE"):
            found.pop(variable, None)
        return found | self.extra

    def dvc(self, *arguments: str) -> str:
        return self.run(sys.executable, "-m", "dvc", *arguments)

    def changed(self) -> "set[str]":
        """The stages of the main dvc.yaml that would run again."""
        return {name for name in json.loads(self.dvc("status", "--json")) if ":" not in name}

    def json(self, name: str) -> Any:
        return json.loads((self.root / name).read_text(encoding="utf-8"))


class Copy(Project):
    """A copy of the project with small parameters, as a git repository of its own."""

    def __init__(self, root: Path, sources: Any) -> None:
        super().__init__(root)
        for name in sources.files:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(sources.root / name, root / name)
        for key, value in params.read_yaml(SMALL).items():
            self.set(key, value)
        self._shrink_remedies()
        self.run("git", "init", "-q")
        self.commit("Small parameters")

    def _shrink_remedies(self) -> None:
        """Few variants of a small net: 16 fits of 3 epochs, where 48 fits of 15 are shipped."""
        comparison = params.read_yaml(self.root / REMEDIES)
        del comparison["classic"]
        comparison["small"] = {"models.dense.units": [16, 16], "train.epochs": 3}
        comparison["variants"] = {name: comparison["variants"][name] for name in VARIANTS}
        YAML().dump(comparison, self.root / REMEDIES)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, sources: Any) -> Copy:
    made = Copy(tmp_path_factory.mktemp("repro") / "project", sources)
    made.dvc("repro")
    return made


def test_every_model_is_scored_on_every_split(project: Copy) -> None:
    metrics = project.json("results/metrics.json")
    assert set(metrics) >= set(MODEL_NAMES)
    for splits in metrics.values():
        assert set(splits) == {"probe", "val", "test"}
        for scores in splits.values():
            assert set(scores) >= SCORES
            low, high = scores["accuracy_interval"]
            assert 0 <= low <= scores["accuracy"] <= high <= 1
    assert metrics["dense"]["test"]["num_images"] == 1000
    assert metrics["dense"]["test"]["num_seeds"] == 2
    assert metrics["dense"]["test"]["accuracy"] > 0.4  # of ten classes
    assert set(project.json("results/diagnosis.json")) >= set(MODEL_NAMES)


def test_every_stage_is_one_finished_run_and_there_is_a_champion(project: Copy) -> None:
    with closing(sqlite3.connect(project.root / "mlruns" / "mlflow.db")) as database:
        runs = database.execute("SELECT name, status FROM runs").fetchall()
        aliases = database.execute("SELECT name, alias FROM registered_model_aliases").fetchall()
    assert {status for _, status in runs} == {"FINISHED"}
    stages = {trained_by(name) for name in MODEL_NAMES} | {"preprocess", "evaluate"}
    for stage in stages:
        assert [name for name, _ in runs].count(stage) == 1
    assert aliases == [("overfit-atlas-fashion_mnist_mini", "champion")]


def test_the_table_and_the_report_are_there(project: Copy) -> None:
    printed = project.run(sys.executable, "-m", "pipeline.stages.summary")
    assert all(
        name in printed for name in ("dense", "cnn", "ensemble", "tuned", "verdict", "overtuning")
    )
    page = (project.root / "results" / "report" / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)=["']https?:""", page)


def test_metrics_and_plots_can_be_shown_offline(project: Copy) -> None:
    assert "dense" in project.dvc("metrics", "show")
    project.dvc("plots", "show", "-o", "shown")
    page = (project.root / "shown" / "index.html").read_text(encoding="utf-8")
    assert "<script src" not in page and "vegaEmbed(" in page
    browser = shutil.which("chromium")
    if browser:
        command = [browser, "--headless", "--no-sandbox", "--virtual-time-budget=20000"]
        shown = project.run(*command, "--dump-dom", f"file://{project.root}/shown/index.html")
        assert "<canvas" in shown or "<svg" in shown


def test_dvc_shows_six_values_a_model_with_the_verdict(project: Copy) -> None:
    [workspace, *_] = json.loads(project.dvc("exp", "show", "--json"))
    metrics = workspace["data"]["metrics"]
    models = metrics["results/verdicts.json"]["data"]
    assert set(models) == set(MODEL_NAMES)
    six = ["verdict", "probability", "gap", "onset", "val_loss", "val_accuracy"]
    for row in models.values():
        undetermined = row["verdict"].startswith("undetermined")  # which has no probability
        assert list(row) == [name for name in six if name != "probability" or not undetermined]
    assert list(metrics) == ["results/verdicts.json"]
    judged = project.json("results/diagnosis.json")["cnn"]
    assert models["cnn"]["verdict"] == judged["title"]["en"]


def test_dvc_draws_running_probe_and_val_as_lines_of_their_own(project: Copy) -> None:
    shown = json.loads(project.dvc("plots", "show", "--json"))["data"]
    for name in ("loss_dense", "loss_cnn", "loss_efficientnet"):
        [plot] = shown[name]
        rows = plot["content"]["data"]["values"]
        assert {row["split"] for row in rows} == {"running", "probe", "val"}
        grouped = [one["groupby"] for one in plot["content"]["transform"] if "groupby" in one]
        assert grouped == [["rev", "split", "x"]]
    [everything] = shown["loss_of_all"]
    files = {row["filename"] for row in everything["content"]["data"]["values"]}
    assert {Path(file).stem for file in files} == {"dense", "cnn", "efficientnet", "tuned"}


def test_the_runs_one_compares_carry_the_answer(project: Copy) -> None:
    query = "SELECT key FROM {} JOIN runs USING (run_uuid) WHERE name = 'train@cnn'"
    with closing(sqlite3.connect(project.root / "mlruns" / "mlflow.db")) as database:
        metrics, tags = (
            {key for (key,) in database.execute(query.format(table))}
            for table in ("latest_metrics", "tags")
        )
    assert {"final/val/loss", "final/test/f1/Shirt", "gap/loss", "delivered_epoch"} <= metrics
    assert {"verdict", "kind", "onset"} <= tags


def test_a_second_repro_does_nothing(project: Copy) -> None:
    lock = (project.root / "dvc.lock").read_bytes()
    printed = project.dvc("repro")
    assert "Data and pipelines are up to date." in printed
    assert "Running stage" not in printed
    assert (project.root / "dvc.lock").read_bytes() == lock


def test_one_models_parameter_concerns_that_model_alone(project: Copy) -> None:
    before = (project.root / "params.yaml").read_bytes()
    project.set("models.cnn.dropout", 0.5)
    try:
        changed = project.changed()
    finally:
        (project.root / "params.yaml").write_bytes(before)
    assert "train@cnn" in changed
    assert changed.isdisjoint({"train@dense", "train@efficientnet", "preprocess", "tune"})


def test_where_fits_run_concerns_no_stage(project: Copy) -> None:
    before = (project.root / "params.yaml").read_bytes()
    project.set("workers.count", 1)
    try:
        assert project.changed() == set()
    finally:
        (project.root / "params.yaml").write_bytes(before)


@pytest.mark.long
def test_trained_again_the_numbers_are_the_same(project: Copy) -> None:
    outputs = {
        name: (project.root / "results" / name).read_bytes()
        for name in ("metrics.json", "curves/dense.csv")
    }
    project.dvc("repro", "--force", "--single-item", "train@dense")
    project.dvc("repro")
    for name, content in outputs.items():
        assert (project.root / "results" / name).read_bytes() == content


@pytest.fixture(scope="module")
def locked(project: Copy) -> Copy:
    """The project with its dvc.lock committed."""
    project.commit("What dvc repro made")
    return project


def test_a_fresh_clone_elsewhere_makes_the_very_same_files(locked: Copy, tmp_path: Path) -> None:
    clone = locked.clone(tmp_path / "else where")
    clone.dvc("repro", "train@cnn")
    assert clone.run("git", "status", "--porcelain") == ""  # dvc.lock holds the hash of every file
    assert (clone.root / "results/curves/cnn.csv").exists()


def test_a_folder_as_remote_brings_all_results_to_a_fresh_clone(
    locked: Copy, tmp_path: Path
) -> None:
    _pushed_and_pulled(locked, tmp_path, str(tmp_path / "store"))


def test_an_s3_remote_brings_all_results_to_a_fresh_clone(
    locked: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("dvc_s3", "moto"):
        pytest.importorskip(module, reason="needs S3: pip install dvc-s3 'moto[server]'")
    import boto3

    port = free_port()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    address = f"http://127.0.0.1:{port}"
    with s3_server(tmp_path, port):
        boto3.client("s3", endpoint_url=address).create_bucket(Bucket="atlas")
        _pushed_and_pulled(locked, tmp_path, "s3://atlas/store", address)


def _pushed_and_pulled(
    project: Copy, folder: Path, remote: str, address: str | None = None
) -> None:
    source = project.clone(folder / "source")
    shutil.copytree(project.root / ".dvc" / "cache", source.root / ".dvc" / "cache")
    source.dvc("remote", "add", "--default", "store", remote)
    if address:
        source.dvc("remote", "modify", "store", "endpointurl", address)
    source.commit("Name the remote")
    source.dvc("push")
    target = source.clone(folder / "target")
    target.dvc("pull", "dvc.yaml")  # experiments/ have a dvc.yaml of their own, and never ran
    assert target.changed() == set()
    for name in ("results/metrics.json", "models/dense/seed-0.best.keras"):
        assert (target.root / name).read_bytes() == (project.root / name).read_bytes()
    assert "Running stage" not in target.dvc("repro")
    assert target.run("git", "status", "--porcelain") == ""
