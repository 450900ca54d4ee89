"""What a map says in words: a sentence a budget of epochs, and the note of its study.

The note stands on the study's page in Optuna's dashboard; figures lie beside it as artifacts.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta, upload_artifact
from optuna.study import Study

from overfit_atlas.words import sentences, text
from pipeline.files import replacing
from pipeline.params import USUAL_AXES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ARTIFACTS = "optuna_artifacts"
"""The folder beside the studies' database that `make dashboard` shows artifacts from."""
DPI = 110


def sentence(summary: Mapping[str, Any], part: Mapping[str, Any], language: str) -> str:
    """From which width on the undropped net overfits after one budget, which it names.

    Args:
        summary: `summary.summary`; part: one of its slices.
    """
    found, usual = part["overfits_from"], summary["axes"] == USUAL_AXES
    first, last = summary["widths"]
    low, high, shown = found["low"], found["high"], round if usual else _short
    name, second = (axis.rpartition(".")[2] for axis in summary["axes"])
    return text(
        f"map.{'reach' if usual else 'reach_along'}.{found['reach'].replace(' ', '_')}",
        language,
        name=name,
        least=f"{second} = {summary['dropouts'][0]:g}",
        epochs=int(part["epochs"]),
        model=summary["model"],
        threshold=summary["threshold"],
        confidence=summary["confidence"],
        width="" if found["width"] is None else shown(found["width"]),
        low=text("map.reach.less", language, width=shown(first)) if low is None else shown(low),
        high=text("map.reach.more", language, width=shown(last)) if high is None else shown(high),
    )


def _short(value: float) -> str:
    """As many digits as one can act on; whole numbers from ten on."""
    return f"{value:.0f}" if value >= 10 or float(value).is_integer() else f"{value:.2g}"


def _axis(name: str, language: str) -> str:
    """What an axis of a map is called in a sentence."""
    return text(f"figure.parameter.{name}", language) if name in USUAL_AXES else name


def note(summary: Mapping[str, Any], points: pd.DataFrame, language: str = "en") -> str:
    """Markdown: how to read the study, where the frontier lies, and the verdicts.

    Args:
        points: `tables.points_table` of the slice that figures show.
    """
    parts: Sequence[Mapping[str, Any]] = summary["slices"]
    shown = [one for one in parts if _same_data(one, parts[0])]
    lines = [f"## {text('map.note.title', language, **summary)}", ""]
    lines += [f"**{sentence(summary, shown[0], language)}**", ""]
    first, second = (_axis(name, language) for name in summary["axes"])
    lines += [text("map.note.how", language, **summary, first=first, second=second), ""]
    lines += [f"- {sentence(summary, one, language)}" for one in shown[1:]]
    lines += [
        "",
        text("map.note.first", language),
        "",
        text("map.note.columns", language, first=first, second=second),
    ]
    lines.append("|---:|---:|---:|---|---:|")
    for row in points.sort_values("gap_loss", ascending=False).to_dict("records"):
        known = isinstance(row["kind"], str) and row["verdict"] != "undetermined"
        said = sentences.named(row["verdict"], row["kind"] if known else "", language)
        place = f"| {row['width']:g} | {row['dropout']:g} | {row['gap_loss']:+.3f} |"
        lines.append(f"{place} {said} | {row['probability']:.2f} |")
    return "\n".join(lines)


def present(
    study: Study,
    words: str,
    figures: Mapping[str, "Figure"],
    folder: Path,
    answers: Mapping[str, str] | None = None,
) -> None:
    """Give a study its note, and its figures as artifacts; those of an earlier run are replaced.

    Args:
        answers: what stands in the study's user attributes, on the first screen.
        folder: that of the studies; artifacts go into `ARTIFACTS` in it.
    """
    from optuna_dashboard import save_note

    from pipeline.plots import style

    save_note(study, words)
    for name, said in (answers or {}).items():
        study.set_user_attr(name, said)
    base = folder / ARTIFACTS
    base.mkdir(parents=True, exist_ok=True)
    store = FileSystemArtifactStore(base)
    known = {one.filename: one.artifact_id for one in get_all_artifact_meta(study)}
    for name, figure in figures.items():
        path = base / known.get(name, name)
        with replacing(path) as temporary:
            temporary.write_bytes(style.png(figure, DPI))
        if name not in known:
            upload_artifact(artifact_store=store, file_path=str(path), study_or_trial=study)
            path.unlink()


def _same_data(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one[name] == other[name] for name in ("train_fraction", "label_noise"))
