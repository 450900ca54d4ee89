"""A page of any judged models: from `CleanScores`, from logs, from whatever gave judgements."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overfit_atlas.files import write_text
from overfit_atlas.page import answer, numbers, quiz, render
from overfit_atlas.page.courses import course
from overfit_atlas.page.document import Page
from overfit_atlas.page.gallery import Pictures, gallery
from overfit_atlas.record import Judgement
from overfit_atlas.words import text


def of_judgements(
    judged: Sequence[Judgement],
    language: str,
    pictures: Pictures | None = None,
    labels: NDArray[np.integer] | None = None,
) -> Page:
    """The page of `judged` models side by side, with images and labels where they are at hand."""
    records = [made.as_json() for made in judged]
    courses = [
        course(record, made.fits, language, labels)
        for record, made in zip(records, judged, strict=True)
    ]
    counts = {made.draws.num_images for made in judged if made.draws and made.draws.num_images}
    counted = {"models": len(judged), "images": numbers.whole(max(counts, default=None))}
    about = "page.subject_images" if counts else "page.subject_short"
    return Page(
        language=language,
        headline=answer.verdict_sentence(courses, language) or judged[0].title(language),
        subject=text(about, language, **counted),
        courses=courses,
        advice=answer.usual(records, language),
        scores=answer.side_by_side(courses, {}, language),
        gallery=None if pictures is None else _gallery(judged, pictures),
        quiz=quiz.questions(courses, None, None, language),
        colophon=text("page.colophon", language),
    )


def pictures_of(
    inputs: Any, probe: NDArray[np.integer], val: NDArray[np.integer]
) -> Pictures | None:
    """The validation images among what a model takes, probe first; None where it takes others.

    Args:
        inputs: an array `(num_probe + num_val, height, width, channels)`, or something else.
        probe, val: class numbers.
    """
    images = np.asarray(inputs) if isinstance(inputs, np.ndarray) else np.zeros(0)
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[-1] not in (1, 3)):
        return None
    shown = images[len(probe) :].reshape(len(val), *images.shape[1:3], -1).astype(np.float64)
    low, high = float(shown.min()), float(shown.max())
    scaled = np.round(255 * (shown - low) / (high - low or 1.0)).astype(np.uint8)
    names = [str(one) for one in range(int(max(val.max(), probe.max())) + 1)]
    return Pictures(scaled, val, names)


def _gallery(judged: Sequence[Judgement], pictures: Pictures) -> dict[str, object] | None:
    return gallery(pictures, {made.name: made.fits for made in judged})


def write(path: Path, page: Page) -> None:
    """Write `page` to `path`, whole or not at all.

    Raises:
        PageError: the extra `page` is not installed.
    """
    write_text(path, render.html(page))
