"""The table of verdicts: each draw goes through it once, from the top. Start at `through`.

It reads like the definitions in the documentation. `Known` is what does not differ from draw to
draw: the classes, what there is to learn, and what other models of the same data reach.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from overfit_atlas.rules import Rules
from overfit_atlas.scoring.fits import Floats

Drawn = Mapping[str, Floats]
Mask = NDArray[np.bool_]
ABOVE_CHANCE = 1.2
"""A validation loss is clearly above chance from so many times the entropy of the classes on."""
LEARNS = 0.8
"""The probe has learned where its loss is below this share of the entropy of the classes."""
MANY_COPIES = 0.05
"""From this share of validation images that are copies of training images on, val is no val."""


class Ruling(NamedTuple):
    """A verdict and its kind ("" for a good fit, which has none)."""

    verdict: str
    kind: str


COPIES = Ruling("data", "copies")
BETTER = Ruling("data", "better than train")
ABOVE = Ruling("data", "above chance")
BY_HEART = Ruling("overfit", "by heart")
GUESSING = Ruling("underfit", "guessing")
WRONG = Ruling("overfit", "wrong more often")
SURE = Ruling("overfit", "too sure")
UNCLEAR = Ruling("overfit", "unclear")
SHORT = Ruling("underfit", "too short")
SIMPLE = Ruling("underfit", "too simple")
GOOD = Ruling("good fit", "")
RULINGS = (COPIES, BETTER, ABOVE, BY_HEART, GUESSING, WRONG, SURE, UNCLEAR, SHORT, SIMPLE, GOOD)
VERDICTS = ("good fit", "overfit", "underfit", "data")


@dataclass(frozen=True)
class Known:
    """What the rules know besides the draws.

    Attributes:
        rules: the thresholds.
        entropy: of the class shares of val (nats): the loss of guessing; None where not known.
        majority: share of the largest class of val, 0..1; None where not known.
        wide: from how many nats on a gap is wide.
        clean: whether the training images were scored as val was, without dropout and the like.
        comparable: whether training and validation loss are on one scale.
        sibling: the best of the other models, or "target"; None where there is none to compare.
        simple: whether that one is surely better on probe and val.
        copies: share of validation images that are exact copies of training images.
        num_images: in val, where known.
    """

    rules: Rules
    entropy: float | None
    majority: float | None
    wide: float
    clean: bool = True
    comparable: bool = True
    sibling: str | None = None
    simple: bool = False
    copies: float = 0.0
    num_images: int | None = None


def through(drawn: Drawn, known: Known) -> NDArray[np.int64]:
    """For each draw the place in `RULINGS` of the first rule that holds `(num_draws,)`."""
    size = len(drawn["val/loss"])
    ruled = np.full(size, RULINGS.index(GOOD))
    free = np.ones(size, dtype=bool)
    for ruling, rule in _RULES:
        holds = np.broadcast_to(rule(drawn, known), free.shape) & free
        ruled[holds] = RULINGS.index(ruling)
        free &= ~holds
    return ruled


def _copies(drawn: Drawn, known: Known) -> Mask | bool:
    return known.copies >= MANY_COPIES


def _better_than_train(drawn: Drawn, known: Known) -> Mask | bool:
    if not known.clean or "gap/loss" not in drawn or "gap/accuracy" not in drawn:
        return False
    worse = drawn["gap/accuracy"] > -known.rules.material_accuracy
    return (drawn["gap/loss"] < -known.wide / 2) & ~worse


def _above_chance(drawn: Drawn, known: Known) -> Mask | bool:
    needed = {"first", "probe/loss"}
    if known.entropy is None or not known.comparable or not needed <= drawn.keys():
        return False
    limit = ABOVE_CHANCE * known.entropy
    always = (drawn["first"] > limit) & (drawn["best/loss"] > limit)
    return always & (drawn["probe/loss"] < LEARNS * known.entropy)


def _no_better_than_chance(drawn: Drawn, known: Known) -> Mask:
    """Accuracy not clearly above the majority's share, calibrated loss not clearly below chance."""
    no = np.zeros(len(drawn["val/loss"]), dtype=bool)
    if known.majority is None or "val/accuracy" not in drawn:
        return no
    slack = known.rules.material_accuracy
    if known.num_images:
        slack = max(slack, 2 * np.sqrt(known.majority * (1 - known.majority) / known.num_images))
    right = 1 - drawn["val/accuracy"]
    guessed = right <= known.majority + slack
    if known.entropy is not None and "val/calibrated_loss" in drawn:
        calibrated = drawn["val/calibrated_loss"]
        unsure = max(0.01 * known.entropy, 2 * float(np.std(calibrated)))
        return np.asarray(guessed & (calibrated > known.entropy - unsure))
    constant = np.asarray(1 - drawn["best/accuracy"] <= known.majority + slack)
    return guessed & constant


def learned_nothing_but_images(drawn: Drawn, known: Known) -> Mask | bool:
    """Draws with a known probe and a val of chance: labels or split are to blame."""
    if "probe/accuracy" not in drawn or known.majority is None:
        return False
    clearly = max(0.1 * (1 - known.majority), 5 * known.rules.material_accuracy)
    return _no_better_than_chance(drawn, known) & (
        1 - drawn["probe/accuracy"] > known.majority + clearly
    )


def _material(drawn: Drawn, known: Known, score: str) -> Mask | bool:
    """Material damage, while the training images are fitted better at the end than at the best."""
    if f"damage/{score}" not in drawn:
        return False
    better = drawn[f"fitted/{score}"] < 0 if f"fitted/{score}" in drawn else True
    least = known.rules.material(score, drawn[f"best/{score}"])
    return np.asarray((drawn[f"damage/{score}"] >= least) & better)


def _wrong_more_often(drawn: Drawn, known: Known) -> Mask | bool:
    return _material(drawn, known, "calibrated_loss") | _material(drawn, known, "accuracy")


def _too_sure(drawn: Drawn, known: Known) -> Mask | bool:
    if "damage/calibrated_loss" not in drawn:
        return False
    return _material(drawn, known, "loss")


def _unclear(drawn: Drawn, known: Known) -> Mask | bool:
    return _material(drawn, known, "loss")


def _too_short(drawn: Drawn, known: Known) -> Mask | bool:
    if "fall" not in drawn:
        return False
    return np.asarray(drawn["fall"] >= known.rules.material("loss", drawn["best/loss"]))


def _too_simple(drawn: Drawn, known: Known) -> Mask | bool:
    return known.simple


def _by_heart(drawn: Drawn, known: Known) -> Mask | bool:
    if "gap/loss" not in drawn or not known.comparable:
        return False
    return drawn["gap/loss"] >= known.wide


_RULES: tuple[tuple[Ruling, Callable[[Drawn, Known], Mask | bool]], ...] = (
    (COPIES, _copies),
    (BETTER, _better_than_train),
    (ABOVE, _above_chance),
    (BY_HEART, learned_nothing_but_images),
    (GUESSING, _no_better_than_chance),
    (WRONG, _wrong_more_often),
    (SURE, _too_sure),
    (UNCLEAR, _unclear),
    (SHORT, _too_short),
    (SIMPLE, _too_simple),
    (BY_HEART, _by_heart),
)
