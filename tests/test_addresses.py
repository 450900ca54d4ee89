"""No password of this process gets into anything it shows or writes."""

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from overfit_atlas import addresses
from overfit_atlas.errors import AtlasError
from pipeline import params
from pipeline.tracking import stage_run

ROOT = Path(__file__).resolve().parents[1]
SECRET = "S3cr3t"
CLOSED = "127.0.0.1:9"  # a port where nobody listens
KEYS = ("tune.storage", "download.mirror", "workers.scheduler")


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(addresses, "_known", set())
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    yield


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://anna:secret@db:5432/x", "postgresql://***@db:5432/x"),
        ("see http://u:p@h/a, and ftp://q@h", "see http://***@h/a, and ftp://***@h"),
        ("anna@example.org", "anna@example.org"),
        ("http://host/path", "http://host/path"),
        ("http://u:p@[::1]:80/x", "http://***@[::1]:80/x"),
        ("mysql+pymysql://u:p@h/d", "mysql+pymysql://***@h/d"),
        ("x_y://u:p@h/d", "x_y://***@h/d"),
        # Where a password ends is for each program to guess: nothing but the scheme is sure.
        ("postgresql://user:ab/S3cr3t@127.0.0.1:9/o", "postgresql://***"),
        ("postgresql://user:ab?S3cr3t@h/o", "postgresql://***"),
        ("postgresql://user:ab#S3cr3t@h/o", "postgresql://***"),
        ("postgresql://u:p@h/S3cr3t@other", "postgresql://***"),
        ("postgresql://user:ab@S3cr3t@h/o", "postgresql://***@h/o"),
        ("http://u:p@[::1/x", "http://***"),
        ("postgresql://h/o?password=S3cr3t", "postgresql://h/o?***"),
        ("https://h/o?a=1&sig=S3cr3t#S3cr3t", "https://h/o?***#***"),
        ("https://h/o#S3cr3t", "https://h/o#***"),
        ("(https://h/o?x=1).", "(https://h/o?***)."),
        ("sqlite:////a/b@c/d.db", "sqlite:////a/b@c/d.db"),
        ("sqlite:///a/d.db?key=S3cr3t", "sqlite:///a/d.db?***"),
    ],
)
def test_addresses_are_masked_in_any_text_and_only_once(text: str, expected: str) -> None:
    assert addresses.masked(text) == expected
    assert addresses.masked(expected) == expected


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://user:S3cr3t@h/o",
        "postgresql://user:S3cr3t ab@h/o",
        "postgresql://user:ab/S3cr3t@h/o",
        "postgresql://user:ab@S3cr3t@h/o",
        "postgresql://user:ab?S3cr3t#cd@h/o",
        "postgresql://user:'S3cr3t'\"ab@h/o",
        "postgresql://user:ab%2FS3cr3t@h/o",
        "postgresql://h/o?password=S3cr3t",
        "https://S3cr3t@h/o",
        "https://S3cr3t:@h/o",
        "https://h/o?X-Amz-Signature=S3cr3t",
    ],
)
def test_parts_of_a_known_address_are_masked_wherever_they_stand(address: str) -> None:
    addresses.know({"tune": {"storage": [address]}})
    said = [
        f"{address} cannot be used",
        f"{address!r}",
        f"{address}/and/more",
        "port is no number: 'S3cr3t'",
        "url: /S3cr3t@h/o (Caused by ...)",
        "S3cr3t",
    ]
    if "%2F" in address:
        said += ["password ab/S3cr3t", "password ab%2FS3cr3t"]
    for text in said:
        assert SECRET not in addresses.masked(text), text
    assert addresses.masked("an epoch and a user of 3 images") == "an epoch and a user of 3 images"


def test_credentials_sent_as_a_header_are_masked() -> None:
    addresses.know(["http://user:S3cr3t@h"])
    sent = base64.b64encode(b"user:S3cr3t").decode()
    assert addresses.masked(f"Authorization: Basic {sent}") == "Authorization: Basic ***"


def test_a_short_secret_hides_no_part_of_a_word() -> None:
    addresses.know(["postgresql://atlas:data@h/o", "postgresql://atlas:o@h/o"])
    said = "data of a database: o, postgresql://atlas:o@h/o"
    assert addresses.masked(said) == "*** of a database: o, postgresql://***@h/o"


def test_a_long_text_with_an_address_in_it_takes_no_longer_than_its_length() -> None:
    said = "a" * 1_000_000 + " http://u:S3cr3t@h/x"
    begun = time.process_time()
    assert addresses.masked(said) == "a" * 1_000_000 + " http://***@h/x"
    assert time.process_time() - begun < 5


def test_secrets_of_the_environment_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    assert addresses.masked("got S3cr3t") == "got S3cr3t"
    monkeypatch.setenv("PGPASSWORD", SECRET)
    assert addresses.masked("got S3cr3t") == "got ***"
    monkeypatch.delenv("PGPASSWORD")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://user:{SECRET}@{CLOSED}")
    assert addresses.masked("got S3cr3t") == "got ***"


def test_an_error_holds_no_password() -> None:
    error = AtlasError("postgresql://user:S3cr3t@h/o cannot be used", 7)
    assert error.args == ("postgresql://***@h/o cannot be used", 7)


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
