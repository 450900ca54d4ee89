"""Presets: the whole pipeline with other settings, as one named DVC experiment.

    dvc exp run $(python -m pipeline.preset cifar100_b0)
    python -m pipeline.preset cifar100_b0 --run

A preset is `experiments/presets/NAME.yaml`. The experiment runs in a copy of the project, so
params.yaml stays as it is; `dvc exp show` lists it, and `--apply`, or `dvc exp apply NAME`, brings
it here.
"""

import argparse
import difflib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from overfit_atlas.errors import AtlasError
from pipeline import params as parameters
from pipeline.params import ParamsError, Record
from pipeline.stages import cli

FOLDER = Path("experiments/presets")
PARAMS = Path("params.yaml")  # what the settings are laid over
_WORD = re.compile(r"[A-Za-z_/~][A-Za-z0-9_./~-]*")
_LITERALS = {"true", "false", "null", "nan", "inf", "~"}


class PresetError(AtlasError):
    """A preset cannot be run as it is written."""


class Preset(Record):
    """Overrides of params.yaml by dotted key.

    Attributes:
        title: one line that says what it is.
        source: where the settings come from, and what that source reports.
        settings: `{"train.epochs": 10}`.
        targets: the DVC stages to run up to; empty for all.
    """

    title: str
    source: str = ""
    settings: Annotated[dict[str, Any], Field(min_length=1)]
    targets: tuple[str, ...] = ()


def main(arguments: argparse.Namespace) -> None:
    """Print the arguments of `dvc exp run`, or run it, or bring its results here."""
    if arguments.apply:
        _apply(arguments.name)
        return
    try:
        words = _words(arguments)
    except AtlasError:
        # Without any argument `dvc exp run $(...)` would run the pipeline as it is.
        if not arguments.run:
            print("--invalid-preset")
        raise
    if not arguments.run:
        print(" ".join(words))
        return
    process = subprocess.run([sys.executable, "-m", "dvc", "exp", "run", *words], check=False)
    sys.exit(process.returncode)


def _apply(name: str) -> None:
    """`dvc exp apply`, without its error about outputs that were never made in this clone.

    Raises:
        PresetError: there is no such experiment.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            repo.experiments.apply(name, allow_missing=True)
    except DvcException as error:
        raise PresetError(f"preset {name}: cannot be applied: {error}. Run it first.") from None


def _words(arguments: argparse.Namespace) -> list[str]:
    preset = load(arguments.name, arguments.folder)
    settings = {**preset.settings, **dict(parameters.assignment(text) for text in arguments.set)}
    return command(arguments.name, preset, settings, printed=not arguments.run)


def load(name: str, folder: Path = FOLDER) -> Preset:
    """The preset of that name.

    Raises:
        PresetError: there is none (the message lists those there are), or it is not one.
    """
    path = folder / f"{name}.yaml"
    known = sorted(found.stem for found in folder.glob("*.yaml"))
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean '{near[0]}'? " if near else ""
        raise PresetError(
            f"preset {name!r}: no such file in {folder}/. {hint}"
            f"Known: {', '.join(known) or 'none'}."
        )
    try:
        return parameters.validate(Preset, parameters.read_yaml(path), "")
    except ParamsError as error:
        raise PresetError(f"{path}: {error}") from None


def command(name: str, preset: Preset, settings: dict[str, Any], printed: bool = True) -> list[str]:
    """The arguments for `dvc exp run`: a temporary copy, the name, an override for each setting.

    With `printed` no argument needs quotes, for a shell splits `$(...)` at blanks and nowhere else.

    Raises:
        PresetError: a setting is unknown or not allowed, or has a blank in it and is to be printed.
    """
    try:
        parameters.parse(parameters.read_yaml(PARAMS) if PARAMS.exists() else {}, settings)
    except ParamsError as error:
        raise PresetError(f"preset {name}: {error}") from None
    words = ["--temp", "-n", name]
    for key, value in settings.items():
        written = hydra(value)
        if printed and re.search(r"\s", written):
            raise PresetError(
                f"preset {name}: {key}={value!r} has a blank in it, which a shell would split. "
                f"Run it with `python -m pipeline.preset {name} --run`."
            )
        words += ["-S", f"++{key}={written}"]
    return [*words, *preset.targets]


def hydra(value: Any) -> str:
    """`value` in the grammar DVC uses for `-S key=value`, without blanks of its own."""
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, str):
        plain = _WORD.fullmatch(value) and value.lower() not in _LITERALS
        return value if plain else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{hydra(inner)}" for key, inner in value.items()) + "}"
    return "[" + ",".join(hydra(inner) for inner in value) + "]"


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description="Arguments for `dvc exp run` from a preset.")
    made.add_argument("name", help="a file in experiments/presets/, without .yaml")
    made.add_argument("set", nargs="*", metavar="key=value", help="more overrides")
    made.add_argument("--run", action="store_true", help="run `dvc exp run` instead of printing")
    made.add_argument("--apply", action="store_true", help="bring what it gave into the project")
    made.add_argument("--folder", type=Path, default=FOLDER, help="where presets are")
    return made


if __name__ == "__main__":
    cli.run(main, _parser())
