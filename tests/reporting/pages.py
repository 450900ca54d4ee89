"""Whole pages from made-up results."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from overfit_atlas.page import render
from pipeline import params
from pipeline.data import prepared
from pipeline.reporting import report, results
from pipeline.reporting.results import Results
from tests.reporting import studies, synthetic

MODELS = {"dense": "overfit 2", "cnn": "by heart"}
ORIGIN = {"commit": "0123456789ab", "Python": "3.11.7"}
_made: dict[str, str] = {}


def html(language: str, data: Path, folder: Path) -> str:
    """The page with everything on it; made once a session and language."""
    if language not in _made:
        _made[language] = rendered(everything(data, folder), ORIGIN, language=language)
    return _made[language]


def everything(data: Path, folder: Path) -> Results:
    """Results of two models, a map and a comparison."""
    if not (folder / "metrics.json").exists():
        synthetic.write(folder, prepared.read(data), MODELS)
        studies.write_tune(folder / "tune")
        studies.write_compare(folder / "compare" / "remedies")
    return results.read(folder, data, folder / "models")


def rendered(found: Results, origin: Mapping[str, str], **asked: Any) -> str:
    """The page of `found`, with `asked` as parameters of the report."""
    return render.html(report.report(found, params.parse({"report": asked}), origin))
