"""Which training images are learned late, never, or again and again (Toneva et al. 2019).

Counted at the ends of epochs on clean predictions; the paper counts at each visit of an image
during training, so our counts are lower, and their order is what matters.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike


def forgetting(correct: ArrayLike, loss: ArrayLike) -> pd.DataFrame:
    """How well each image was learned in one fit; rows in the order of the images.

    Args:
        correct: was image i right after epoch t? (num_epochs, num_images).
        loss: its loss then, in nats, of the same shape.

    Returns: columns
        image: 0..num_images-1;
        forgotten: forgetting events, epochs after which a right answer became wrong;
        never_learned: no epoch ended with a right answer;
        learned_epoch: first epoch (from 1) that ended with a right answer, NaN if never learned;
        mean_loss: mean over epochs, NaN where no loss was finite.
    """
    right = np.asarray(correct, dtype=bool)
    losses = np.asarray(loss, dtype=np.float64)
    never = ~right.any(axis=0)
    finite = np.isfinite(losses)
    sums = np.where(finite, losses, 0).sum(axis=0)
    counts = finite.sum(axis=0)
    return pd.DataFrame(
        {
            "image": np.arange(right.shape[1]),
            "forgotten": (right[:-1] & ~right[1:]).sum(axis=0),
            "never_learned": never,
            "learned_epoch": np.where(never, np.nan, right.argmax(axis=0) + 1),
            "mean_loss": np.where(counts > 0, sums / np.maximum(counts, 1), np.nan),
        }
    )


def over_seeds(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """`forgetting` of several fits of the same images as one table.

    Means over seeds of forgotten, learned_epoch (of the seeds that learned it) and mean_loss;
    never_learned is true where no seed learned the image; num_seeds is how many there were.
    """
    together = pd.concat(tables, ignore_index=True).groupby("image")
    means = together[["forgotten", "learned_epoch", "mean_loss"]].mean()
    never = together["never_learned"].all()
    return means.assign(never_learned=never, num_seeds=len(tables)).reset_index()
