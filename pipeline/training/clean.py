"""Clean scores of one split at the end of an epoch, as `definitions` in the README has them."""

import numpy as np

from overfit_atlas.scoring import scores
from pipeline.data.prepared import Split


def clean(logits: np.ndarray, split: Split) -> tuple[dict[str, float], dict[str, np.ndarray]]:
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
    per_image = {name: _half(values) for name, values in small.items()}
    return row, per_image | {"correct": correct, "probabilities": probabilities}


def _half(values: np.ndarray) -> np.ndarray:
    limit = float(np.finfo(np.float16).max)
    half: np.ndarray = np.clip(values, -limit, limit).astype(np.float16)
    return half
