"""Folders: one run's, several models', or a tool's own layout."""

import os
from dataclasses import replace
from pathlib import Path

from overfit_atlas.errors import ReadError
from overfit_atlas.readers import mlflow, single_curves, tables, tensorboard
from overfit_atlas.readers.assemble import assemble
from overfit_atlas.readers.files import of_source
from overfit_atlas.readers.names import meaning, split_word
from overfit_atlas.readers.raw import Facts, Part, Raw, joined, named
from overfit_atlas.readers.records import Note
from overfit_atlas.readers.single_curves import Points
from overfit_atlas.readers.source import Source, opened, shown
from overfit_atlas.readers.structures import find_facts
from overfit_atlas.readers.table import number

MAX_FILES, MAX_DEPTH = 2000, 6
_LOGS = {".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".log", ".txt", ".md", ".out", ".pkl", ".gz"}
_LOGS |= {".pickle", ".npy", ".npz", ".pt", ".pth", ".ipynb", ".dat", ".err"}
_SKIPPED = {"__pycache__", "node_modules", "wandb-cache", "artifacts", "checkpoints"}


def read(folder: Path) -> Part:
    """The fits in a folder, each file a model of its own; files that are no logs are named."""
    files = _files(folder)
    if not files:
        raise ReadError(f"{shown(str(folder))}: an empty folder")
    own = _of_tool(folder, files)
    return own if own is not None else _of_files(folder, files)


def _files(folder: Path) -> list[Path]:
    found: list[Path] = []
    for where, folders, inside in os.walk(folder):
        depth = len(Path(where).relative_to(folder).parts)
        folders[:] = sorted(f for f in folders if f[0] != "." and f not in _SKIPPED) * (
            depth < MAX_DEPTH
        )
        paths = [Path(where, name) for name in sorted(inside) if name[0] != "."]
        found += [path for path in paths if path.is_file() and not path.is_symlink()]
        if len(found) > MAX_FILES:
            raise ReadError(
                f"{shown(str(folder))}: more than {MAX_FILES} files; give the log itself"
            )
    return found


def _of_tool(folder: Path, files: list[Path]) -> Part | None:
    """The runs of a tool that keeps its log as a folder."""
    depths = {path: len(path.relative_to(folder).parts) for path in files}
    above = {path.parents[i] for path, depth in depths.items() for i in range(depth)}
    runs = sorted(path for path in above if (path / "metrics").is_dir() and mlflow.is_run(path))
    if runs:
        return joined([assemble(mlflow.of_folder(run)) for run in runs])
    events = [path for path in files if "tfevents" in path.name]
    if events:
        rest = tuple(path.name for path in files if path not in events)
        part = _first_readable(tensorboard.of_folder([opened(p) for p in events], folder))
        return replace(part, not_used=(*part.not_used, *rest[:50]))
    states = [path for path in files if path.name == "trainer_state.json"]
    if states:
        return _last_state(states, files)
    curves = _one_curve_files(folder, files)
    return curves


def _first_readable(raws: list[Raw]) -> Part:
    """The runs that can be read; the refusal of the first where none can."""
    parts, refusals = [], []
    for raw in raws:
        try:
            parts.append(assemble(raw))
        except ReadError as error:
            refusals.append(error)
    if not parts:
        raise refusals[0]
    return joined(parts)


def _last_state(states: list[Path], files: list[Path]) -> Part:
    """Hugging Face's state with the most text: later checkpoints repeat what was before."""
    last = max(states, key=lambda path: (path.stat().st_size, len(path.parts) * -1))
    part = of_source(opened(last))
    rest = [path.relative_to(path.parents[1]).as_posix() for path in states if path != last]
    name = last.parent.name
    fits = tuple(replace(fit, name=name, model=name) if fit.name == "trainer_state" else fit
                 for fit in part.fits)  # fmt: skip
    rest += [path.name for path in files if path not in states]
    return replace(part, fits=fits, not_used=(*part.not_used, *rest[:50]))


def _one_curve_files(folder: Path, files: list[Path]) -> Part | None:
    """Files that hold a curve each: DVCLive's plots, TensorBoard's exports."""
    curves: dict[str, Points] = {}
    used: list[Path] = []
    kind = "dvclive"
    for path in files:
        if path.suffix.lower() not in {".tsv", ".csv", ".json"}:
            continue
        try:
            source = opened(path)
            exported = tensorboard.export(source)
            found = exported or _dvclive(source, path, folder)
        except ReadError:
            continue
        if found:
            kind = "tensorboard export" if exported else kind
            curves[found[0]] = found[1]
            used.append(path)
    if not curves or not any(meaning(name).kind in {"loss", "accuracy"} for name in curves):
        return None
    rest = [path.name for path in files if path not in used]
    part = assemble(single_curves.merged(curves, folder.name, kind))
    return replace(part, not_used=(*part.not_used, *rest[:50]))


def _dvclive(source: Source, path: Path, folder: Path) -> tuple[str, Points] | None:
    """Name and points of a file "step, value" of DVCLive, None for all else."""
    head = source.text.split("\n", 1)[0].strip().split("\t")
    if len(head) not in (2, 3) or "step" not in head:
        return None
    rows = [line.split("\t") for line in source.text.splitlines()[1:] if line.strip()]
    at, value = head.index("step"), len(head) - 1
    whole = [r for r in rows if len(r) == len(head)]
    cells = [(number(r[at]), number(r[value])) for r in whole]
    points = [(s, v) for s, v in cells if isinstance(s, float) and isinstance(v, float)]
    parts = path.relative_to(folder).with_suffix("").parts
    kept = [part for part in parts if part not in {"plots", "metrics", "dvclive", "static"}]
    return ("/".join(kept), points) if points else None


def _of_files(folder: Path, files: list[Path]) -> Part:
    """Each file that is a log; the others are named as not used."""
    parts: list[Part] = []
    others: list[str] = []
    refusals: list[ReadError] = []
    facts = Facts()
    for path in files:
        label = shown(path.relative_to(folder).as_posix())
        if path.suffix.lower() not in _LOGS:
            others.append(label)
            continue
        try:
            source = opened(path)
            parts.append(_renamed(of_source(source), path, folder, files))
        except ReadError as error:
            refusals.append(error)
            others.append(label)
            facts = find_facts(path, facts)
    whole = _halves(folder, files) if not parts else None
    if whole is not None:
        return whole
    if not parts:
        first = (
            refusals[0] if refusals else ReadError(f"no log among {named(dict.fromkeys(others))}")
        )
        found = f"{shown(folder.name)}: none of its {len(files)} files is a training log; {first}"
        raise ReadError(found if len(files) > 1 else str(first))
    parts = _without_copies(parts)
    part = joined(parts)
    fits = tuple(replace(fit, num_classes=fit.num_classes or facts.num_classes,
                         num_val_images=fit.num_val_images or facts.num_val_images)
                 for fit in part.fits) if len(parts) == 1 else part.fits  # fmt: skip
    notes = part.notes if len(parts) == 1 else (*part.notes, Note("fits_of_one_model?"))
    return replace(part, fits=fits, notes=notes, not_used=(*part.not_used, *others[:50]))


def _renamed(part: Part, path: Path, folder: Path, files: list[Path]) -> Part:
    """Fits named by their folder where files of one name lie in several."""
    same = [other for other in files if other.stem == path.stem and other.suffix == path.suffix]
    if len(same) < 2:
        return part
    own = path.parent.relative_to(folder).as_posix()
    fits = []
    for fit in part.fits:
        name, model = (text.replace(path.stem, own, 1) for text in (fit.name, fit.model))
        fits.append(replace(fit, name=name, model=model))
    return replace(part, fits=tuple(fits))


def _without_copies(parts: list[Part]) -> list[Part]:
    """Parts without those that hold the same curves as one before (a log saved in two formats)."""
    kept: dict[object, Part] = {}
    for part in parts:
        key = tuple((fit.num_logged, tuple(sorted((r, round(v, 5)) for r, v in fit.last.items())))
                    for fit in part.fits)  # fmt: skip
        if key in kept:
            kept[key] = replace(kept[key], notes=(*kept[key].notes, Note("same_log_twice")))
        else:
            kept[key] = part
    return list(kept.values())


def _halves(folder: Path, files: list[Path]) -> Part | None:
    """Two files of one run, of training and of validation by their names, put together."""
    halves: dict[str, Raw] = {}
    for path in files:
        split = next(
            (s for s in map(split_word, path.stem.replace("-", "_").split("_")) if s), None
        )
        if split is None or path.suffix.lower() not in _LOGS:
            continue
        try:
            found = tables.read(opened(path))
        except ReadError:
            continue
        if found and len(found) == 1 and split not in halves:
            halves[split] = found[0]
    held = halves.get("val") or halves.get("test")
    if "train" not in halves or held is None or len(files) > 10:
        return None
    split = "val" if "val" in halves else "test"
    both = {**_prefixed(halves["train"], "train"), **_prefixed(held, split)}
    return assemble(single_curves.merged(both, folder.name, "table"))


def _prefixed(raw: Raw, split: str) -> dict[str, Points]:
    """The curves of a half under names with its split, by epoch or by row."""
    numbers = raw.table.numbers
    epoch = next((name for name in numbers if meaning(name).kind == "epoch"), None)
    at = numbers[epoch].values if epoch else range(1, raw.table.num_rows + 1)
    out: dict[str, Points] = {}
    for name, column in numbers.items():
        means = meaning(name)
        if means.kind in {"loss", "accuracy", "error", "topk"}:
            full = name if means.split else f"{split} {name}"
            out[full] = [(float(e), float(v)) for e, v, g in
                         zip(at, column.values, column.given, strict=True) if g]  # fmt: skip
    return out
