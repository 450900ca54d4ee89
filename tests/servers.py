"""Servers that tests start on this machine alone, and may kill: MLflow, PostgreSQL, S3."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from pipeline.tracking import connection

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A port of this machine that nobody uses."""
    with socket.socket() as one:
        one.bind((LOOPBACK, 0))
        return int(one.getsockname()[1])


@contextmanager
def mlflow_server(
    folder: Path, port: int, store: str | None = None
) -> Iterator[Callable[[], None]]:
    """An MLflow server, gone by SIGKILL when the block ends or what the block gets is called.

    Args:
        folder: of its artifacts, its log, and its database unless `store` names another.
    """
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(port)]
    command += ["--host", LOOPBACK, "--artifacts-destination", str(folder / "served")]
    command += ["--backend-store-uri", store or f"sqlite:///{folder}/server.db"]
    environment = {**os.environ, **connection.ENVIRONMENT}
    environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    environment.pop("MLFLOW_TRACKING_URI", None)
    with _serving(command, environment, folder / "server.log", port, "/health") as kill:
        yield kill


@contextmanager
def s3_server(folder: Path, port: int) -> Iterator[Callable[[], None]]:
    """Moto's server, which speaks S3."""
    command = [sys.executable, "-m", "moto.server", "--host", LOOPBACK, "--port", str(port)]
    with _serving(command, dict(os.environ), folder / "s3.log", port, "/") as kill:
        yield kill


@contextmanager
def _serving(
    command: Sequence[str], environment: dict[str, str], log: Path, port: int, path: str
) -> Iterator[Callable[[], None]]:
    with log.open("ab") as file:
        server = subprocess.Popen(
            command, env=environment, stdout=file, stderr=file, start_new_session=True
        )

        def kill() -> None:
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()

        try:
            while not _answers(f"http://{LOOPBACK}:{port}{path}"):
                with suppress(subprocess.TimeoutExpired):
                    server.wait(0.1)
                    raise AssertionError(log.read_text())
            yield kill
        finally:
            kill()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


class Postgres:
    """A PostgreSQL of its own in a temporary folder, asking for a password."""

    password = "hunter2"

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="atlas-postgres-"))
        self._log = self.folder.with_suffix(".log")
        # PostgreSQL refuses to run as root.
        self._as: dict[str, Any] = {"user": "nobody"} if os.geteuid() == 0 else {}
        if self._as:
            shutil.chown(self.folder, "nobody")
        secret = self.folder / "secret"
        secret.write_text(self.password)
        secret.chmod(0o644)
        self._run("initdb", "-U", "atlas", "-A", "scram-sha-256", "--pwfile", str(secret), "-N")

    @staticmethod
    def missing() -> str | None:
        """Why there can be none here, or None."""
        if postgres_program("initdb") is None:
            return "needs PostgreSQL: apt install postgresql"
        if importlib.util.find_spec("psycopg") is None:
            return "needs a driver: pip install 'psycopg[binary]'"
        return None

    def url(self, database: str) -> str:
        """The address of an empty database, made now."""
        command = [str(postgres_program("createdb")), "-h", LOOPBACK, "-p", str(self.port)]
        secret = {**os.environ, "PGPASSWORD": self.password}
        subprocess.run([*command, "-U", "atlas", database], env=secret, check=True, timeout=60)
        return f"postgresql://atlas:{self.password}@{LOOPBACK}:{self.port}/{database}"

    def start(self) -> None:
        """Start it, and recover what was committed before it was killed."""
        options = f"-p {self.port} -c listen_addresses={LOOPBACK} -k {self.folder}"
        self._run("pg_ctl", "start", "-w", "-l", str(self.folder / "log"), "-o", options)

    def kill(self) -> None:
        """End it by SIGKILL, with all processes that serve its clients."""
        held = self.folder / "data" / "postmaster.pid"
        pid = int(held.read_text().split()[0])
        with suppress(psutil.NoSuchProcess):
            server = psutil.Process(pid)
            family = [server, *server.children(recursive=True)]
            for process in family:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(family, timeout=30)
        held.unlink()  # where nobody reaps the dead, it would count as running

    def remove(self) -> None:
        """Stop it and delete its data."""
        with suppress(subprocess.CalledProcessError):
            self._run("pg_ctl", "stop", "-m", "immediate")
        self._log.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(postgres_program(program)), "-D", str(self.folder / "data"), *arguments]
        with self._log.open("ab") as log:
            subprocess.run(
                command, cwd="/", stdout=log, stderr=log, check=True, timeout=120, **self._as
            )


def postgres_program(name: str) -> Path | None:
    """The path of one of PostgreSQL's programs; Debian keeps most of them off PATH."""
    found = shutil.which(name)
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return Path(found) if found else debian[-1] if debian else None
