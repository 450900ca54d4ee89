"""Maps drawn from the pool, each beside what is true of its points: `judge`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.map import pool
from benchmarks.map.pool import NUM_FOLDS, Design, Fitted
from benchmarks.truth.judging import as_fit
from overfit_atlas import draws, judgement, turns
from overfit_atlas.draws import Draws
from overfit_atlas.estimates import standard_error
from overfit_atlas.facts import Facts
from overfit_atlas.gap_map import frontier, overfit_map
from overfit_atlas.gap_map.overfit_map import MapSettings, OverfitMap
from overfit_atlas.record import Judgement
from overfit_atlas.rules import Rules
from overfit_atlas.scoring.fits import Fit, smoothed

NUM_SEEDS = 3
SEED = 5
Pool = Mapping[tuple[int, float], Fitted]
Point = tuple[int, float]


@dataclass(frozen=True)
class Asked:
    """What is judged by, how many maps are drawn from each data set (10 at most), where from."""

    rules: Rules
    folder: Path
    maps_a_set: int = 5
    workers: int = 2


def judge(design: Design, asked: Asked, say: Callable[[str], None]) -> pd.DataFrame:
    """One row a point of a map.

    Columns: set, folds, width, dropout; wide (nats); said and true verdict, kind; gap_loss with
    low and high of the surface, true_gap; of the map: reach, start, low, high (widths at the least
    dropout, empty beyond those examined), true_start.
    """
    rows: list[dict[str, object]] = []
    with pool.workers(asked.workers) as workers:
        numbers = range(design.num_sets)
        for number, found in enumerate(workers.map(partial(_of_set, design, asked), numbers), 1):
            rows += found
            say(f"data set {number} of {design.num_sets}")
    ends = ["start", "low", "high"]
    return pd.DataFrame(rows).astype(dict.fromkeys(ends, float))


def _of_set(design: Design, asked: Asked, number: int) -> list[dict[str, object]]:
    """The maps of one data set; what is true comes from all others."""
    facts = Facts.of_labels(np.repeat(np.arange(10), design.num_val // 10), 10)
    by = asked.rules, replace(facts, one_split=False)
    fits = pool.read(design, asked.folder)
    others = [one for one in range(design.num_sets) if one != number]
    truths = {point: _truth(one, others, asked.rules) for point, one in fits.items()}
    every = list(combinations(range(NUM_FOLDS), NUM_SEEDS))
    drawn = np.random.default_rng([SEED, number]).permutation(len(every))[: asked.maps_a_set]
    maps = [_of_map(design, fits, (number, every[place]), truths, by) for place in sorted(drawn)]
    return [row for rows in maps for row in rows]


def _of_map(
    design: Design,
    fitted: Pool,
    drawn: tuple[int, tuple[int, ...]],
    truths: Mapping[Point, Draws],
    by: tuple[Rules, Facts],
) -> list[dict[str, object]]:
    (number, folds), (rules, facts) = drawn, by
    fits = {point: [_fit(one, number, fold) for fold in folds] for point, one in fitted.items()}
    said, wide = _ruled(
        {point: draws.of_images(one, rules, nested=True) for point, one in fits.items()},
        rules,
        facts,
    )
    true, _ = _ruled(truths, rules, facts)
    found = overfit_map.fit(_rows(fits, said), _settings(design, wide, rules))
    start, surface = found.overfits_from(), _surface(found)
    true_gaps = {point: one.values["gap/loss"] for point, one in truths.items()}
    of_map = {
        "set": number,
        "folds": "".join(map(str, folds)),
        "wide": wide,
        "reach": start.reach,
        "start": start.width,
        "low": start.low,
        "high": start.high,
        "true_start": _true_start(design, true_gaps, wide),
    }
    return [
        of_map
        | {"width": point[0], "dropout": point[1]}
        | {"verdict": said[point].verdict, "kind": said[point].kind}
        | {"true_verdict": true[point].verdict, "true_kind": true[point].kind}
        | {"true_gap": true_gaps[point], **surface[point]}
        for point in design.points
    ]


def _ruled(
    known: Mapping[Point, Draws], rules: Rules, facts: Facts
) -> tuple[dict[Point, Judgement], float]:
    """The judgement of each point beside all others, as `pipeline.studies.ruling` makes it."""
    facts = replace(facts, lowest_loss=judgement.lowest_loss(known.values()))
    named = {str(point): one for point, one in known.items()}
    made = {
        point: judgement.ruled(
            str(point), one, rules, facts, {k: v for k, v in named.items() if k != str(point)}
        )
        for point, one in known.items()
    }
    return made, judgement.wide(rules, facts.entropy, facts.lowest_loss)


def _fit(fits: Fitted, number: int, fold: int) -> Fit:
    arrays = {
        name: getattr(fits, name)[number, fold].astype(np.float32)
        for name in ("val_loss", "val_calibrated", "probe_loss")
    }
    arrays |= {name: getattr(fits, name)[number, fold] for name in ("val_correct", "probe_correct")}
    return as_fit(arrays, fold)


def _rows(fits: Mapping[Point, list[Fit]], said: Mapping[Point, Judgement]) -> pd.DataFrame:
    rows = []
    for (width, dropout), seeds in fits.items():
        for fit in seeds:
            images = fit.per_image
            assert images is not None
            val, probe = (images.epoch(split, "loss", -1) for split in ("val", "probe"))
            rows.append(
                {
                    "width": width,
                    "dropout": dropout,
                    "seed": fit.seed,
                    "gap_loss": float(val.mean() - probe.mean()),
                    "gap_loss_se": float(np.hypot(standard_error(val), standard_error(probe))),
                    "p_underfit": said[width, dropout].probabilities.get("underfit"),
                }
            )
    return pd.DataFrame(rows)


def _settings(design: Design, wide: float, rules: Rules) -> MapSettings:
    return MapSettings(
        threshold=wide,
        num_images=design.num_val,
        confidence=rules.confidence,
        num_resamples=rules.num_resamples,
        folds=True,
    )


def _surface(found: OverfitMap) -> dict[Point, dict[str, float]]:
    table = found.table()
    columns = ["gap_loss", "gap_loss_low", "gap_loss_high"]
    return {
        (int(row["width"]), float(row["dropout"])): {name: float(row[name]) for name in columns}
        for row in table.to_dict("records")
    }


def _true_start(design: Design, gaps: Mapping[Point, float], wide: float) -> float:
    """The width at which the true gap of the undropped net is wide; 0: at each, inf: at none."""
    widths = np.array(sorted(design.widths), float)
    values = overfit_map.scaled([gaps[int(one), min(design.dropouts)] for one in widths], wide)
    reached = values >= overfit_map.LEVEL
    return float(2 ** frontier.first_crossing(reached, values, np.log2(widths), overfit_map.LEVEL))


def _truth(fits: Fitted, sets: list[int], rules: Rules) -> Draws:
    """What is true of a point, as draws that are all alike: means of `sets` on unseen images."""
    loss, accuracy, calibrated = fits.truth[sets].mean((0, 1), dtype=np.float64)
    curves = {"loss": loss, "calibrated_loss": calibrated, "accuracy": 1 - accuracy}
    probe = fits.probe_loss[sets].astype(np.float64).mean((0, 1, 3))
    wrong = 1 - fits.probe_correct[sets].mean((0, 1, 3))
    values: dict[str, float] = {"probe/loss": probe[-1], "probe/accuracy": wrong[-1]}
    for score, curve in curves.items():
        smooth = smoothed(curve, rules.smoothing)
        best = int(smooth.argmin())
        values |= {f"val/{score}": curve[-1], f"best/{score}": smooth[best]}
        values |= {f"damage/{score}": smooth[-1] - smooth[best]}
        values |= {f"fitted/{score}": probe[-1] - probe[best]}
    unseen = float(fits.unseen_loss[sets].mean(dtype=np.float64))
    values |= {"gap/loss": unseen - probe[-1], "gap/accuracy": values["val/accuracy"] - wrong[-1]}
    values |= {"first": loss[0], "fall": float(turns.fall(loss[None])[0])}
    return Draws(
        values=values,
        drawn={name: np.full(rules.num_draws, value) for name, value in values.items()},
        best_epochs={},
        best_of_mean={},
        seed_best={},
        prices={},
        num_seeds=len(sets) * NUM_FOLDS,
        num_images=int(fits.truth.size),
        epochs=np.arange(1, len(loss) + 1),
    )
