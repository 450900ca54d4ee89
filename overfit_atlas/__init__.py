"""Judge any training of an image classifier: whether, when and how surely it overfits.

The public names are few, and each is imported only when it is asked for:

- `read(source)`: the fits in a log, whoever wrote it;
- `judge(model)`: the verdict on one model, its kind, and how probable both are;
- `compare(a, b)`: two models on the same images;
- `CleanScores`: the Keras callback that scores a fit without dropout, augmentation and penalty;
- `memorisation(in_subset, correct)`: which images are right only when trained on;
- `suspicious_labels(probabilities, labels)`: which labels are probably wrong;
- `near_duplicates(images)`: which images are there twice, shifted, mirrored or recompressed;
- `Fit`, `Judgement`, `Rules`: the records these take and give.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from overfit_atlas.clean_scores import CleanScores
    from overfit_atlas.comparison import compare
    from overfit_atlas.images.memorisation import memorisation
    from overfit_atlas.images.near_duplicates import near_duplicates
    from overfit_atlas.images.suspicious_labels import suspicious_labels
    from overfit_atlas.judgement import judge
    from overfit_atlas.readers import read
    from overfit_atlas.record import Judgement
    from overfit_atlas.rules import Rules
    from overfit_atlas.scoring.fits import Fit

__all__ = [
    "CleanScores",
    "Fit",
    "Judgement",
    "Rules",
    "compare",
    "judge",
    "memorisation",
    "near_duplicates",
    "read",
    "suspicious_labels",
]

_HOMES = {
    "CleanScores": "clean_scores",
    "Fit": "scoring.fits",
    "Judgement": "record",
    "Rules": "rules",
    "compare": "comparison",
    "judge": "judgement",
    "memorisation": "images.memorisation",
    "near_duplicates": "images.near_duplicates",
    "read": "readers",
    "suspicious_labels": "images.suspicious_labels",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
