"""What is known of a model's data beside its scores: `Facts`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Facts:
    """What the judge is told of the data; None for what is not known.

    Attributes:
        class_shares: share of each class among the validation images.
        num_classes: where the shares are not known.
        num_images: validation images, where the fits have no scores of single ones.
        clean: whether training images were scored as validation images are: without dropout,
            augmentation and penalty, with the weights of the same moment.
        comparable: whether training and validation loss are on one scale.
        penalty: whether the losses seem to hold a penalty.
        guess: loss (nats) and accuracy of always saying the same, where images have several marks
            and no class shares say it.
        shifted: mean of the channel that differs most between train and val, in that order, where
            the images differ by more than chance.
        copies: share of validation images that are exact copies of training images.
        not_finite_from: the epoch from which on the loss of a log is not finite, by its number.
        one_split: whether all fits share one validation split; else every seed has a fold of its
            own, and images are nested in seeds.
        lowest_loss: the lowest validation loss known on these data, of whatever model.
    """

    class_shares: tuple[float, ...] | None = None
    num_classes: int | None = None
    num_images: int | None = None
    clean: bool = True
    comparable: bool = True
    penalty: bool = False
    guess: tuple[float, float] | None = None
    shifted: tuple[float, float] | None = None
    copies: float = 0.0
    not_finite_from: int | None = None
    one_split: bool = True
    lowest_loss: float | None = None

    @classmethod
    def of_labels(cls, labels: ArrayLike, num_classes: int) -> "Facts":
        """The facts of validation images with these class numbers `(num_images,)`."""
        counts = np.bincount(np.asarray(labels), minlength=num_classes)
        shares = tuple(float(one) for one in counts / counts.sum())
        return cls(shares, num_classes, int(counts.sum()))

    @property
    def entropy(self) -> float | None:
        """The entropy of the class shares (nats): the loss of guessing by them."""
        if self.guess is not None:
            return self.guess[0]
        if self.class_shares is not None:
            shares = np.array([one for one in self.class_shares if one > 0])
            return float(-(shares * np.log(shares)).sum())
        return float(np.log(self.num_classes)) if self.num_classes else None

    @property
    def majority(self) -> float | None:
        """The accuracy of always saying the largest class."""
        if self.guess is not None:
            return self.guess[1]
        if self.class_shares is not None:
            return max(self.class_shares)
        return 1 / self.num_classes if self.num_classes else None
