"""Whole pages from made-up results. Figures are laid out but not painted: each is a blank sheet of
its own size, which is all that the page around it depends on."""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from matplotlib.figure import Figure
from PIL import Image

from pipeline import params
from pipeline.data import prepared
from pipeline.plots import style
from pipeline.reporting import page, report, results
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
    """Results of two models, a map, a search and two comparisons."""
    if not (folder / "metrics.json").exists():
        synthetic.write(folder, prepared.read(data), MODELS)
        studies.write_tune(folder / "tune")
        studies.write_compare(folder / "compare" / "remedies")
        studies.write_compare(folder / "compare" / "units", "How many units?")
    return results.read(folder, data, folder / "models", ("remedies", "units"))


def rendered(found: Results, origin: Mapping[str, str], **asked: Any) -> str:
    """The page of `found`, with `asked` as parameters of the report."""
    with unpainted():
        return page.render(report.report(found, params.parse({"report": asked}), origin))


@contextmanager
def unpainted() -> Iterator[None]:
    """No figure is painted meanwhile: pictures are blank."""
    paint = mock.patch.object(Figure, "draw_without_rendering", lambda figure: None)
    with paint, mock.patch.object(style, "png", blank):
        yield


def blank(figure: Figure, dpi: float = 144) -> bytes:
    width, height = (round(dpi * inches) for inches in figure.get_size_inches())
    buffer = io.BytesIO()
    Image.new("1", (width, height), 1).save(buffer, "png")
    return buffer.getvalue()
