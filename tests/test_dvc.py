"""dvc.yaml against the code: DVC sees neither imports nor what is read from params.yaml."""

import ast
import functools
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from pipeline.comparing import record
from pipeline.params import Models, Params
from pipeline.stages import comparisons

ROOT = Path(__file__).resolve().parents[1]
COMPARISONS = sorted(path.stem for path in (ROOT / record.FOLDER).glob("*.yaml"))
SECTIONS = set(Params.model_fields)
# Their keys change no number, so no stage runs again for them.
NEVER_DECLARED = {"workers"}
# A comparison brings its own models and training, in experiments/compare/NAME.yaml.
READ_FROM_THE_COMPARISON = {"models", "train"}
# What is told to MLflow changes no number either, nor do figures that are only told to it, nor what
# is hidden or escaped in messages.
NEVER_DEPENDED_ON = {"pipeline.tracking", "overfit_atlas.addresses", "overfit_atlas.files"}
FIGURES = {"pipeline.plots", "overfit_atlas.words"}
THRESHOLDS = {"overfit_atlas.rules"}
DRAWN_FOR_MLFLOW_ALONE = ("train", "search", "tune", "compare", "evaluate")


@dataclass(frozen=True)
class Stage:
    """One DVC stage as DVC resolves it; paths relative to the project."""

    name: str
    module: str
    command: tuple[str, ...]
    deps: tuple[str, ...]
    params: tuple[str, ...]

    def covers(self, path: Path) -> bool:
        return any(path == Path(dep) or Path(dep) in path.parents for dep in self.deps)

    def declares(self, section: str) -> bool:
        return any(
            section == one or section.startswith(f"{one}.") or one.startswith(f"{section}.")
            for one in self.params
        )

    @property
    def model(self) -> str | None:
        named = [word for word in self.command if word in Models.model_fields]
        return named[0] if named else None


@functools.cache
def _stages() -> tuple[Stage, ...]:
    """All stages there can be: those of dvc.yaml, and those of every comparison once asked for."""
    from dvc.repo import Repo

    every = {name: record.load(ROOT / record.FOLDER / f"{name}.yaml") for name in COMPARISONS}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        for name in ("dvc.yaml", "params.yaml", "experiments"):
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, root / name)
        (root / comparisons.LIST).write_text(comparisons.listed(every, "dense"), encoding="utf-8")
        with Repo.init(str(root), no_scm=True) as repo:
            made = [one for one in repo.index.stages if hasattr(one, "cmd") and one.cmd]
            return tuple(_stage(one, root) for one in made)


def _stage(one: Any, root: Path) -> Stage:
    command = one.cmd if isinstance(one.cmd, str) else " && ".join(one.cmd)
    module = re.search(r"python -m ([\w.]+)", command)
    assert module, f"{one.addressing}: {command!r} runs no module"
    params = [dep for dep in one.deps if hasattr(dep, "params")]
    files = [dep for dep in one.deps if not hasattr(dep, "params")]
    return Stage(
        name=f"{Path(one.path).relative_to(root)}:{one.name}",
        module=module.group(1),
        command=tuple(command.split()),
        deps=tuple(str(Path(dep.fs_path).relative_to(root)) for dep in files),
        params=tuple(str(key) for dep in params for key in dep.params),
    )


def _each_stage() -> Any:
    return pytest.mark.parametrize("stage", _stages(), ids=lambda stage: stage.name)


@_each_stage()
def test_a_stage_depends_on_every_module_it_imports(sources: Any, stage: Stage) -> None:
    assert stage.module in sources.modules
    needed = {
        module: sources.modules[module].relative_to(ROOT)
        for module in sources.closure(stage.module, _free(stage)) | _models(sources, stage)
    }
    missing = {str(path) for path in needed.values() if not stage.covers(path)}
    # A package's __init__ that holds only words about it has nothing a stage could depend on.
    missing -= {str(path) for module, path in needed.items() if _is_empty(sources, module)}
    missing |= {
        str(path)
        for module in needed
        for path in _resources(sources, module)
        if not stage.covers(path)
    }
    assert missing == set()


def _free(stage: Stage) -> set[str]:
    told = stage.name.split(":")[-1].startswith(DRAWN_FOR_MLFLOW_ALONE)
    # params.py offers the thresholds of the verdict to whoever declares that it reads them.
    judges = any(one == "evaluate" for one in stage.params)
    return NEVER_DEPENDED_ON | (FIGURES if told else set()) | (set() if judges else THRESHOLDS)


def _models(sources: Any, stage: Stage) -> set[str]:
    """Models are imported by name: a stage for one model needs its file, any other needs all."""
    if "pipeline.models" not in sources.closure(stage.module, _free(stage)):
        return set()
    names = [stage.model] if stage.model else list(Models.model_fields)
    return set().union(
        *(sources.closure(f"pipeline.models.{name}", _free(stage)) for name in names)
    )


def _is_empty(sources: Any, module: str) -> bool:
    return all(isinstance(node, ast.Expr) for node in sources.tree(module).body) or module in (
        "pipeline",
        "overfit_atlas",  # names, each imported when it is asked for
    )


def _resources(sources: Any, module: str) -> list[Path]:
    """The data files beside a module that looks for files beside itself."""
    path = sources.modules[module]
    text = path.read_text(encoding="utf-8")
    if "__file__" not in text and "importlib.resources" not in text:
        return []
    files = [ROOT / name for name in sources.texts if (ROOT / name).is_relative_to(path.parent)]
    return [file.relative_to(ROOT) for file in files if file.suffix != ".py"]


@_each_stage()
def test_a_stage_declares_every_section_it_reads(sources: Any, stage: Stage) -> None:
    modules = sources.closure(stage.module) - {"pipeline.params"}
    read = set().union(*(_read(sources, module) for module in modules))
    if stage.module == "pipeline.stages.compare":
        read -= READ_FROM_THE_COMPARISON
    undeclared = {section for section in read - NEVER_DECLARED if not stage.declares(section)}
    assert undeclared == set()


def _read(sources: Any, module: str) -> set[str]:
    """The sections a module takes from a record called `params`: `params.train.epochs`."""
    found = set()
    for node in ast.walk(sources.tree(module)):
        if not isinstance(node, ast.Attribute):
            continue
        base = node.value
        called = base.id if isinstance(base, ast.Name) else getattr(base, "attr", "")
        if called == "params" and node.attr in SECTIONS:
            found.add(node.attr)
        if called == "params" and node.attr == "train_for":
            found |= {"train", "models"}
    return found


def test_every_key_belongs_to_a_stage() -> None:
    declared = {key for stage in _stages() for key in stage.params}
    orphans = [
        key
        for key in _keys(Params(), "")
        if key.split(".")[0] not in NEVER_DECLARED
        if not any(key == one or key.startswith(f"{one}.") for one in declared)
    ]
    assert orphans == []


def test_every_declared_key_exists() -> None:
    known = set(_keys(Params(), ""))
    unknown = {
        one
        for stage in _stages()
        for one in stage.params
        if not any(key == one or key.startswith(f"{one}.") for key in known)
    }
    assert unknown == set()


def _keys(record: Any, prefix: str) -> list[str]:
    keys = []
    for name in type(record).model_fields:
        value = getattr(record, name)
        if isinstance(value, BaseModel):
            keys += _keys(value, f"{prefix}{name}.")
        else:
            keys.append(f"{prefix}{name}")
    return keys


def test_runs_belong_to_no_stage() -> None:
    assert [stage.name for stage in _stages() if stage.covers(Path("mlruns/mlflow.db"))] == []
