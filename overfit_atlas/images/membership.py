"""How well the loss alone tells which images a net trained on: the gap as a leak of privacy.

S. Yeom et al.: Privacy Risk in Machine Learning (2018) attack by the loss; N. Carlini et al.:
Membership Inference Attacks From First Principles (2022) ask it of each image over many fits.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from overfit_atlas.errors import AtlasError
from overfit_atlas.images.memorisation import Interval, checked
from overfit_atlas.scoring.scores import rank_areas

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Membership:
    """What the loss gives away.

    Attributes:
        auc: chance that of two images of one fit, one trained on and one not, the first has the
            lower loss: 0.5 gives nothing away, 1 everything. Mean over fits; interval over images.
        of_images: the same of each image over fits (num_images,): chance that its loss after a fit
            that trained on it is lower than after one that did not. NaN where there is no pair.
    """

    auc: Interval
    of_images: Floats


def membership(in_subset: ArrayLike, loss: ArrayLike, confidence: float = 0.95) -> Membership:
    """How well losses tell members from others.

    Args:
        in_subset: did fit f train on image i? (num_fits, num_images).
        loss: of image i after fit f, in nats, of the same shape.

    Raises:
        AtlasError: the shapes differ, or a fit trained on all images or on none.
    """
    inside, losses = checked(in_subset, loss, "loss")
    if inside.all(1).any() or not inside.any(1).all():
        raise AtlasError(
            "got a fit that trained on all images, or on none: there is nobody to tell apart. "
            "Give each fit a part of the images."
        )
    return Membership(_over_images(inside, losses, confidence), rank_areas(-losses, inside))


def _over_images(
    inside: NDArray[np.bool_], losses: NDArray[np.floating], confidence: float
) -> Interval:
    """Mean AUC of the fits, with an interval over images, which all fits share.

    The error is that of DeLong et al. (1988), each image's placements first averaged over fits.
    """
    from scipy import special

    placed = np.stack([_placements(a, b) for a, b in zip(inside, losses, strict=True)])
    parts = [
        (placed * member).sum(0) / np.maximum(1, member.sum(0)) for member in (inside, ~inside)
    ]
    known = inside.any(0) & ~inside.all(0)
    together = sum(part[known] for part in parts)
    auc = float(np.mean([placed[f][inside[f]].mean() for f in range(len(inside))]))
    error = float(np.std(together) / np.sqrt(max(1, len(together))))
    half = error * float(special.ndtri((1 + confidence) / 2))
    return Interval(auc, max(0.0, auc - half), min(1.0, auc + half))


def _placements(inside: NDArray[np.bool_], losses: NDArray[np.floating]) -> Floats:
    """Of members the share of others with a higher loss; of others that of members with a lower."""
    from scipy import stats

    ranks = stats.rankdata(losses)
    found = np.empty(len(losses))
    for part in (inside, ~inside):
        others_below = ranks[part] - stats.rankdata(losses[part])
        found[part] = others_below / (~part).sum()
    found[inside] = 1 - found[inside]
    return found
