"""No password of this process gets into anything it shows or writes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import params
from pipeline.tracking import stage_run

ROOT = Path(__file__).resolve().parents[1]
SECRET = "S3cr3t"
CLOSED = "127.0.0.1:9"  # a port where nobody listens
KEYS = ("tune.storage", "download.mirror", "workers.scheduler")

pytestmark = pytest.mark.usefixtures("no_secrets")


@pytest.mark.parametrize(
    "text",
    [
        "tune: {storage: ['postgresql://user:ab/S3cr3t@h/o']}",
        "tune: {storage: {'postgresql://user:ab/S3cr3t@h/o': 1}}",
        "tune: {storage: postgresql://user:ab/S3cr3t@h/o",
        "tune: {model: postgresql://user:aaaaaaaaaaaaaaaaaaaaaaaa/S3cr3t-S3cr3t@h/o}",
    ],
)
def test_what_is_wrong_with_params_is_said_without_passwords(tmp_path: Path, text: str) -> None:
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(params.ParamsError) as caught:
        params.load(tmp_path / "params.yaml")
    assert SECRET not in str(caught.value) and "user:a" not in str(caught.value)


def _secret_params() -> dict[str, dict[str, object]]:
    return {
        "download": {"dataset": "mnist", "mirror": f"http://user:ab/{SECRET}@{CLOSED}/x"},
        "models": {"efficientnet": {"weights": "imagenet"}},
        "workers": {"scheduler": f"tcp://user:ab/{SECRET}@{CLOSED}"},
        "tune": {"storage": f"postgresql://user:ab/{SECRET}@{CLOSED}/o?password={SECRET}"},
    }


def _said_by(code: str, folder: Path, **environment: str) -> str:
    """What a stage that is `code` says, and its error; `given` is its params."""
    (folder / "params.yaml").write_text(json.dumps(_secret_params()))
    head = "from pathlib import Path; from pipeline import params; from pipeline.stages import cli"
    body = f"{head}\ndef main(_):\n    given = params.load('params.yaml')\n    {code}\n"
    body += "import sys; sys.argv[1:] = []; cli.run(main, cli.parser(''))"
    done = subprocess.run(
        [sys.executable, "-c", body],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OVERFIT_ATLAS_CACHE": str(folder)}
        | environment,
    )
    assert done.returncode != 0
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (
            "from pipeline.stages import download; download.fetch(given.download, Path('raw'))",
            "could not be fetched",
        ),
        (
            "from pipeline.stages import weights; "
            "weights.fetch(given.models.efficientnet, given.download.mirror, Path('w'))",
            "cannot be fetched",
        ),
        (
            "from pipeline.studies.storage import study; import optuna; "
            "study('s', optuna.samplers.RandomSampler(), None, Path('.'), given.tune.storage)"
            ".__enter__()",
            "tune.storage: ",
        ),
        (
            "from pipeline.training import workers; workers.pool(given.workers).__enter__()",
            "workers.scheduler=",
        ),
        ("raise RuntimeError(given.tune.storage)", "Traceback"),
        (
            "import logging; logging.getLogger('any').warning('%s', given); raise OSError('gone')",
            "seed=0 download=",
        ),
    ],
    ids=["download", "weights", "study", "scheduler", "traceback", "log"],
)
def test_no_stage_says_a_password(tmp_path: Path, code: str, expected: str) -> None:
    said = _said_by(code, tmp_path)
    assert expected in said
    assert SECRET not in said
    _assert_nothing_written(tmp_path)


@pytest.mark.parametrize(
    "uri", [f"http://user:ab/{SECRET}@{CLOSED}", f"http://user:{SECRET}@{CLOSED}?key={SECRET}"]
)
def test_mlflow_out_of_reach_is_said_without_its_password(tmp_path: Path, uri: str) -> None:
    code = "from pipeline.tracking import stage_run; stage_run(given, 'train', 'x').__enter__()"
    said = _said_by(
        code,
        tmp_path,
        MLFLOW_TRACKING_URI=uri,
        MLFLOW_HTTP_REQUEST_MAX_RETRIES="0",
    )
    assert "MLflow at http://" in said
    assert SECRET not in said
    _assert_nothing_written(tmp_path)


def test_runs_hold_no_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    given = params.parse(_secret_params())
    failing = pytest.raises(RuntimeError)
    sections = ["download", "models", "tune", "workers"]
    with failing, stage_run(given, "tune", "demo", sections) as run:
        run.log_tags({"why": f"{given.tune.storage} is away: {SECRET}"})
        raise RuntimeError(given.download.mirror)
    assert b"cnn" in (tmp_path / "mlruns" / "mlflow.db").read_bytes()
    _assert_nothing_written(tmp_path)


def _assert_nothing_written(folder: Path) -> None:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "params.yaml"]
    assert [str(path) for path in files if SECRET.encode() in path.read_bytes()] == []
