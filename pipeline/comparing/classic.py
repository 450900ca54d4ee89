"""What a source claims of a comparison, and whether it came out so; start at `Classic`, `judge`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import Field, model_validator

from pipeline.params import Record, Seed

Overrides = dict[str, Any]
Seeds = Annotated[tuple[Seed, ...], Field(min_length=2, max_length=1000)]
Label = Annotated[str, Field(min_length=1)]
Answer = Literal["agrees", "disagrees", "open"]
THREE = (0, 1, 2)
LESS = ("preprocess.train_fraction", "train.epochs", "models.efficientnet.resolution")
"""With one of these changed for a quick run, a published value cannot be expected."""


class Claim(Record):
    """What a source says of one variant.

    Attributes:
        says: the claim, in one sentence.
        of: the variant it is about.
        metric, at: the score it is about (`tables.METRICS`), at the best or the last epoch.
        change: how the score differs from the baseline's; or
        value: what the source reports as the score itself.
        within: differences up to it count as equal.
    """

    says: Label
    of: Label
    metric: Label = "val_accuracy"
    at: Literal["best", "last"] = "best"
    change: Literal["higher", "lower", "equal"] | None = None
    value: float | None = None
    within: Annotated[float, Field(ge=0)] = 0.01

    @model_validator(mode="after")
    def _one_of_two(self) -> "Claim":
        if (self.change is None) == (self.value is None):
            raise ValueError(
                "a claim has a `change` against the baseline, or a `value`: one of them"
            )
        return self


class Scale(Record):
    """How much of it is run: the data set, overrides of the baseline, seeds, variants left out."""

    data: Label | None = None
    settings: Overrides = {}
    seeds: Seeds = THREE
    without: tuple[Label, ...] = ()


class Classic(Record):
    """An experiment of a course, a paper or a text book.

    Attributes:
        source: where it comes from.
        claims: what is said there.
        whole: how it is run on whole data; quick: what a quick run changes of that, or None, where
            it is too long for one.
        shown, at: the score that its picture shows.
        sweep: the key whose values are the picture's horizontal axis; None: a row a variant.
    """

    source: Label
    claims: Annotated[tuple[Claim, ...], Field(min_length=1)]
    whole: Scale = Scale()
    quick: Scale | None = None
    shown: Label = "val_accuracy"
    at: Literal["best", "last"] = "best"
    sweep: Label | None = None

    def scale(self, quick: bool) -> Scale:
        """All that the whole or the quick run changes."""
        if not quick or self.quick is None:
            return self.whole
        return Scale(
            data=self.quick.data or self.whole.data,
            settings={**self.whole.settings, **self.quick.settings},
            seeds=self.quick.seeds if "seeds" in self.quick.model_fields_set else self.whole.seeds,
            without=(*self.whole.without, *self.quick.without),
        )

    def named(self) -> Iterator[str]:
        """The variants that are spoken of."""
        yield from (claim.of for claim in self.claims)
        yield from self.quick.without if self.quick else ()


@dataclass(frozen=True)
class Judged:
    """A claim with what came out: the score, or its difference, with its interval."""

    claim: Claim
    answer: Answer
    value: float | None = None
    low: float | None = None
    high: float | None = None
    why: str = ""


def judge(
    claim: Claim, effects: pd.DataFrame, variants: Mapping[str, Any], scaled: Overrides
) -> Judged:
    """Whether the claim came out, by the interval of what was measured.

    It agrees or disagrees only where the whole interval does; else it is open.

    Args:
        effects: of the comparison, as `tables.effects` makes it; `variants` as `tables.variants`.
        scaled: what a quick run changed.
    """
    if claim.of not in variants:
        return Judged(claim, "open", why="not run at this scale")
    if claim.value is not None:
        return _of_value(claim, claim.value, variants, scaled)
    rows = effects[
        (effects["name"] == claim.of)
        & (effects["metric"] == claim.metric)
        & (effects["at"] == claim.at)
    ]
    if not len(rows):
        return Judged(claim, "open", why="no score")
    value, low, high = (float(rows.iloc[0][name]) for name in ("effect", "low", "high"))
    if claim.change == "equal":
        answer = _inside(low, high, -claim.within, claim.within)
    else:
        sign = 1.0 if claim.change == "higher" else -1.0
        near, far = sorted((sign * low, sign * high))
        answer = "agrees" if near > 0 else "disagrees" if far < 0 else "open"
    return Judged(claim, answer, value, low, high)


def _of_value(
    claim: Claim, reported: float, variants: Mapping[str, Any], scaled: Overrides
) -> Judged:
    found = variants[claim.of]["values"].get(claim.at, {}).get(claim.metric)
    if found is None or found["low"] is None:
        return Judged(claim, "open", why="no score")
    value, low, high = found["value"], found["low"], found["high"]
    less = [key for key in LESS if key in scaled]
    if less:
        return Judged(claim, "open", value, low, high, f"not with less: {', '.join(less)}")
    answer = _inside(low, high, reported - claim.within, reported + claim.within)
    return Judged(claim, answer, value, low, high)


def _inside(low: float, high: float, least: float, most: float) -> Answer:
    if least <= low and high <= most:
        return "agrees"
    return "disagrees" if high < least or low > most else "open"
