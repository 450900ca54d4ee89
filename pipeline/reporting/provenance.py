"""Which code and which libraries made the results; nothing here depends on the time."""

import platform
import subprocess
from collections.abc import Mapping
from importlib import metadata

LIBRARIES = ("tensorflow", "keras", "numpy", "scikit-learn", "optuna", "mlflow", "dvc")


def origin() -> Mapping[str, str]:
    """The commit under "commit" (see `commit`), then `versions`."""
    return {"commit": commit(), **versions()}


def versions() -> Mapping[str, str]:
    """The versions of Python and of the libraries that matter, by name; imports none of them."""
    found = {"Python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def own_version() -> str:
    """The version of this package; empty where it runs without having been installed."""
    try:
        return metadata.version("overfit-atlas")
    except metadata.PackageNotFoundError:
        return ""


def commit() -> str:
    """The git commit of the code, with "+" where files differ from it; empty without git."""
    described = _git("rev-parse", "--short=12", "HEAD")
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", "pipeline")
    return described + ("+" if described and changed else "")


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
