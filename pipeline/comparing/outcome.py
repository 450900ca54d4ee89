"""Which fits a comparison needs, and what came of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from overfit_atlas.record import Judgement
from pipeline.comparing.scoring import Moment, Scores
from pipeline.comparing.variant import Variant, Where
from pipeline.training.task import FitResult, FitTask


@dataclass(frozen=True)
class Plan:
    """The fits of a comparison, each once.

    Attributes:
        tasks: of all fits, variant by variant, seed by seed.
        places: where in `tasks` the fits of each variant stand, in order of `seeds`.
    """

    variants: tuple[Variant, ...]
    seeds: tuple[int, ...]
    tasks: tuple[FitTask, ...]
    places: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Outcome:
    """One variant after its fits.

    Attributes:
        results: one a seed; for an ensemble those of its members.
        scores: at the best and at the last epoch; empty where a fit broke down.
        num_images: in train, by the variant's settings.
        judgement: the verdict on its fits; None for a variant that has none of its own (an ensemble
            and a temperature take those of another).
    """

    variant: Variant
    results: tuple[FitResult, ...]
    scores: Mapping[Moment, Scores] = field(default_factory=dict)
    num_images: int = 0
    judgement: Judgement | None = None

    @property
    def name(self) -> str:
        """The variant's name."""
        return self.variant.name

    @property
    def failures(self) -> list[str]:
        """Which seeds broke down, and when."""
        return [f"seed {one.seed}, {one.failed}" for one in self.results if one.failed]

    @property
    def updates(self) -> list[int]:
        """Steps of the optimizer, one number a seed; an ensemble takes those of all its members."""
        size = self.variant.train.batch_size
        steps = -(-self.num_images // size)
        epochs = [int(one.history.curves["epoch"].max()) for one in self.results]
        return [steps * count * (self.variant.members or 1) for count in epochs]


def plan(variants: Sequence[Variant], seeds: Sequence[int], where: Where) -> Plan:
    """Every variant with every seed; fits that several variants share are there once."""
    first: dict[str, Variant] = {}
    tasks: list[FitTask] = []
    places: dict[str, tuple[int, ...]] = {}
    for variant in variants:
        known = next((name for name, one in first.items() if one.same_fits(variant)), None)
        if known is None:
            known = variant.name
            first[known] = variant
            start = len(tasks)
            places[known] = tuple(range(start, start + len(seeds)))
            tasks += [variant.task(seed, where) for seed in seeds]
        places[variant.name] = places[known]
        if variant.members is not None:
            for place in places[known]:
                tasks[place] = replace(tasks[place], keep_weights=True)
    return Plan(tuple(variants), tuple(seeds), tuple(tasks), places)
