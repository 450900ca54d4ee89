"""What many tests share: one small real data set, and the sources of the project itself."""

import ast
import os
import subprocess
from collections.abc import Collection, Iterator
from contextlib import suppress
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from overfit_atlas import addresses
from pipeline.data import prepared
from pipeline.data.prepared import Manifest, Prepared, Split
from pipeline.tracking import outbox, sender
from scripts import make_images

# As in a worker, and for the stages that tests start: fits of one thread give the same bits.
os.environ.update(TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1")

ROOT = Path(__file__).resolve().parents[1]
WRITTEN = ("data/", "models/", "results/")  # by stages


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever MLflow left in the environment, a test begins with the local database."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture
def no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process knows no password yet, and forgets those of the test."""
    monkeypatch.setattr(addresses, "_known", set())


@pytest.fixture(autouse=True)
def sent_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test leaves a sender behind: what a stage tells is sent here, when the stage ends."""
    monkeypatch.setattr(outbox, "wake", lambda: sender.follow(idle=0))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium; what asks for it is skipped where there is none."""
    if make_images.chromium_path() is None:
        pytest.skip("needs Chromium: apt install chromium, or set CHROMIUM to its path")
    pytest.importorskip("playwright.sync_api")
    with make_images.browser() as launched:
        yield launched


@pytest.fixture(scope="session")
def digits() -> Prepared:
    """Real handwritten digits, 8x8 pixels: 200 train (60 of them probe), 60 val, 60 test images."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = (bunch.images[:, :, :, None] * 15).astype(np.uint8)
    labels = bunch.target.astype(np.int32)
    ids = np.arange(len(labels), dtype=np.int64)
    whole = Split("all", images, labels, labels, ids)
    train = whole.take(ids[:200], "train")
    return Prepared(
        Manifest("digits", tuple("0123456789"), (8, 8, 1), {}, (), (), ""),
        train,
        whole.take(ids[200:260], "val"),
        whole.take(ids[260:320], "test"),
        train.take(ids[:60], "probe"),
    )


@pytest.fixture(scope="session")
def digits_folder(digits: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`digits` on disk, as `preprocess` leaves a data set."""
    folder = tmp_path_factory.mktemp("data") / "prepared"
    prepared.write(folder, digits)
    return folder


PACKAGES = ("overfit_atlas", "pipeline")


@pytest.fixture(scope="session")
def sources() -> "Sources":
    """The modules of both packages, and which imports which."""
    return Sources(ROOT)


class Sources:
    """The modules of `PACKAGES` by dotted name, and the text files git would track."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def modules(self) -> dict[str, Path]:
        """Every module's file; a package's is its __init__.py."""
        found = {}
        for path in sorted(one for name in PACKAGES for one in (self.root / name).rglob("*.py")):
            parts = path.relative_to(self.root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
        return found

    @cached_property
    def files(self) -> list[str]:
        """Every file that is in git or could be added, by its path in the project."""
        listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        done = subprocess.run(listed, cwd=self.root, capture_output=True, text=True, check=True)
        names = sorted(set(filter(None, done.stdout.split("\0"))))
        return [
            name for name in names if (self.root / name).is_file() and not name.startswith(WRITTEN)
        ]

    @cached_property
    def texts(self) -> dict[str, str]:
        """The text in each of `files` that holds text."""
        found = {}
        for name in self.files:
            with suppress(UnicodeDecodeError):
                found[name] = (self.root / name).read_text(encoding="utf-8")
        return found

    @cache  # noqa: B019
    def tree(self, module: str) -> ast.Module:
        """The syntax tree of a module."""
        return ast.parse(self.modules[module].read_text(encoding="utf-8"))

    def running(self, module: str) -> Iterator[ast.AST]:
        """The nodes of a module's syntax tree, without what only types need."""
        skipped = {
            id(inner)
            for node in ast.walk(self.tree(module))
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            for inner in ast.walk(node)
        }
        return (node for node in ast.walk(self.tree(module)) if id(node) not in skipped)

    @cache  # noqa: B019
    def imported(self, module: str) -> frozenset[str]:
        """All a module imports when it runs, also inside functions; not what only types need."""
        found: set[str] = set()
        for node in self.running(module):
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module)
                found.update(f"{node.module}.{alias.name}" for alias in node.names)
        return frozenset(found)

    def imported_here(self, module: str) -> set[str]:
        """The modules of this project that a module imports, packages above them included."""
        found = set()
        for name in self.imported(module) & self.modules.keys():
            parts = name.split(".")
            found.update(".".join(parts[:length]) for length in range(1, len(parts) + 1))
        return (found & self.modules.keys()) - {module}

    def closure(self, module: str, without: Collection[str] = ()) -> set[str]:
        """A module and all it imports from this project, directly or not.

        Packages in `without` are left out, with all that is reached through them alone.
        """
        reached: set[str] = set()
        waiting = [module]
        while waiting:
            one = waiting.pop()
            free = any(f"{one}.".startswith(f"{package}.") for package in without)
            if one not in reached and not free:
                reached.add(one)
                waiting += self.imported_here(one)
        return reached
