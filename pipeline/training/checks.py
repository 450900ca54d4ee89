"""Settings that cannot go together, refused before anything is trained; needs no TensorFlow."""

from collections.abc import Iterator
from typing import Any

from overfit_atlas.errors import AtlasError
from pipeline import models
from pipeline.params import Params, Train
from pipeline.training import augmentation, schedules
from pipeline.training.task import FitTask

Shape = tuple[int, int, int]
LOG_LIKELIHOODS = ("categorical_crossentropy", "kl_divergence")


class CombinationError(AtlasError):
    """Settings that are each allowed, but not together; names the keys, and what would do."""


def check(settings: Params, name: str, image_shape: Shape, num_classes: int) -> None:
    """Raises AtlasError where model `name` cannot be trained as `settings` say on such images.

    Raises:
        ModelError: the model does not fit the images.
        ScheduleError: the schedule does not fit the epochs.
        AugmentationError: an unknown augmentation.
        CombinationError: any other two settings that exclude each other.
    """
    section = getattr(settings.models, name)
    _check(name, section, settings.train_for(name), image_shape, num_classes)


def check_fit(task: FitTask, image_shape: Shape, num_classes: int) -> None:
    """`check` for the net and the training of one fit."""
    _check(task.model, task.section, task.train, image_shape, num_classes)


def _check(name: str, section: Any, train: Train, image_shape: Shape, num_classes: int) -> None:
    if num_classes < 2:
        raise CombinationError(f"got {num_classes=}, expected at least 2 classes to tell apart.")
    models.check(name, section, image_shape)
    schedules.check(train.schedule, train.learning_rate, train.epochs)
    augmentation.check(train.augmentation)
    for problem in (*_balance(train), *_batch_norm(name, section, train)):
        raise CombinationError(problem)


def _balance(train: Train) -> Iterator[str]:
    mixing = [name for name in train.augmentation if name in augmentation.MIXING]
    if train.balance == "augmentation" and not train.augmentation:
        yield (
            "train.balance: augmentation varies rare classes more, but train.augmentation is"
            " empty: name what to do there, for instance [flip, shift]."
        )
    if train.balance == "augmentation" and mixing:
        yield (
            f"train.balance: augmentation goes by class, but {' and '.join(mixing)} mix classes:"
            " take them out of train.augmentation, or choose another train.balance."
        )
    if train.balance == "logit_adjustment" and train.loss not in LOG_LIKELIHOODS:
        yield (
            "train.balance: logit_adjustment is derived for a log-likelihood, and does not go with"
            f" train.loss={train.loss!r}: choose {' or '.join(LOG_LIKELIHOODS)}."
        )


def _batch_norm(name: str, section: Any, train: Train) -> Iterator[str]:
    if getattr(section, "batch_norm", False) and train.batch_size < 2:
        yield (
            f"models.{name}.batch_norm needs at least two images a batch, but train.batch_size is"
            " 1: raise it, or set batch_norm to false."
        )
