"""What the numbers of a fit betray of its losses: a penalty inside, or two scales.

Each looks for losses that no plain cross-entropy can have at the accuracy beside them. The measure
is the entropy of a calibrated classifier of accuracy a that spreads the rest evenly over the other
of C classes, H(a) = -a ln a - (1 - a) ln((1 - a) / (C - 1)); a net in training that is not yet too
sure has a loss below it. Where C is not known it is taken as 10.
"""

import numpy as np

from overfit_atlas.readers.records import Floats

Curve = Floats | None


def even_entropy(accuracy: Floats, num_classes: int | None) -> Floats:
    """H(a) in nats for accuracies in 0..1."""
    a = np.clip(accuracy, 1e-6, 1 - 1e-6)
    others = max((num_classes or 10) - 1, 1)
    return np.asarray(-a * np.log(a) - (1 - a) * np.log((1 - a) / others))


def penalty_suspected(
    loss: Curve, accuracy: Curve, val_loss: Curve, val_accuracy: Curve, num_classes: int | None
) -> bool:
    """Whether the training loss holds a penalty or is no plain cross-entropy.

    Where the classes are known: it is above ln(classes) by a tenth while the accuracy is above
    chance by half. Else: in one of the first five epochs both losses are a quarter above H at
    accuracies of at least 0.7 (alone, without validation's: twice H).
    """
    if loss is None or accuracy is None:
        return False
    if num_classes is not None and num_classes > 1:
        above = (loss > 1.1 * np.log(num_classes)) & (accuracy > 1.5 / num_classes)
        if val_loss is not None and bool(np.any(above & (val_loss > 1.1 * np.log(num_classes)))):
            return True
    train = _above(loss, accuracy, num_classes, 1.25)
    if val_loss is None or val_accuracy is None:
        return bool(np.any(_above(loss, accuracy, num_classes, 2.0)[:5]))
    return bool(np.any((train & _above(val_loss, val_accuracy, num_classes, 1.25))[:5]))


def _above(
    loss: Floats, accuracy: Floats, num_classes: int | None, times: float
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return np.asarray((accuracy >= 0.7) & (loss > times * even_entropy(accuracy, num_classes)))


def val_loss_on_other_scale(
    loss: Curve, accuracy: Curve, val_loss: Curve, val_accuracy: Curve, num_classes: int | None
) -> bool:
    """Whether validation's loss is scored otherwise than training's (softmax taken twice, say).

    So it is where even the best validation loss is above three times H at an accuracy of at least
    0.9, and the training loss is not so too.
    """
    if val_loss is None or val_accuracy is None or not np.isfinite(val_loss).any():
        return False
    best = int(np.nanargmin(val_loss))
    if not val_accuracy[best] >= 0.9:
        return False
    limit = 3 * float(even_entropy(val_accuracy[best : best + 1], num_classes)[0]) + 0.1
    if loss is not None and accuracy is not None:
        train = 3 * even_entropy(accuracy[best : best + 1], num_classes) + 0.1
        if loss[best] > train[0]:
            return False
    return bool(val_loss[best] > limit)


def train_loss_on_other_scale(
    loss: Curve, accuracy: Curve, val_loss: Curve, val_accuracy: Curve
) -> bool:
    """Whether training's loss is far above validation's although its accuracy is better too.

    So it is with label smoothing or a penalty in training alone: by the medians over the epochs,
    a loss higher by 0.25 nats at an accuracy higher by 3 points.
    """
    if loss is None or accuracy is None or val_loss is None or val_accuracy is None:
        return False
    both = np.isfinite(loss) & np.isfinite(val_loss) & np.isfinite(accuracy + val_accuracy)
    if not both.any():
        return False
    worse = float(np.median((loss - val_loss)[both]))
    better = float(np.median((accuracy - val_accuracy)[both]))
    return worse > 0.25 and better > 0.03
