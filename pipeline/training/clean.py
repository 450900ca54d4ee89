"""Clean scores of one split at the end of an epoch, as `definitions` in the README has them."""

import numpy as np

from overfit_atlas.scoring import calibration, scores
from pipeline.data.prepared import Split

Row = dict[str, float]
PerImage = dict[str, np.ndarray]


def clean(logits: np.ndarray, split: Split) -> tuple[Row, PerImage]:
    """Scores of one split in inference mode: a row of the curves, and the images' own scores.

    Args:
        logits: `(num_images, num_classes)`; the log of probabilities does as well.
    """
    probabilities = scores.softmax(logits)
    loss = scores.cross_entropy_of_logits(logits, split.labels)
    confidence, predicted = probabilities.max(-1), probabilities.argmax(-1)
    correct = predicted == split.labels
    brier = scores.brier(probabilities, split.labels)
    row = {
        "loss": float(loss.mean()),
        "accuracy": float(correct.mean()),
        "ece": float(scores.ece(confidence, correct)),
        "brier": float(brier.mean()),
        "true_accuracy": float((predicted == split.true_labels).mean()),
    }
    small = {"loss": loss, "confidence": confidence, "brier": brier}
    per_image = {name: scores.half(values) for name, values in small.items()}
    per_image["predicted"] = predicted.astype(np.min_scalar_type(logits.shape[1] - 1))
    return row, per_image | {"correct": correct, "probabilities": probabilities}


def calibrated(
    logits: dict[str, np.ndarray], splits: dict[str, Split], start: float
) -> dict[str, tuple[Row, PerImage]]:
    """What one temperature, fitted on val, makes of probe and val: rows and per-image scores.

    On val no image is judged by a temperature that saw it; the probe takes the one of all of val.

    Args:
        logits: of `probe` and `val` `(num_images, num_classes)`.
        start: a temperature that may be near, such as that of the epoch before.
    """
    labels = {name: split.labels for name, split in splits.items()}
    found, temperature = calibration.of_splits(logits, labels, start)
    return {
        name: (
            {"calibrated_loss": float(loss.mean()), "temperature": temperature},
            {"calibrated": scores.half(loss)},
        )
        for name, loss in found.items()
    }
