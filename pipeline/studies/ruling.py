"""The verdict on each point of a map, once all points are known; start at `rule`.

What is wide, and whether a net is too simple, hangs on the other points. So trials keep the draws
behind their first verdict (`packed`), and every point goes through the table of verdicts once more,
with one lowest loss and therefore one wide gap for the whole map.
"""

import base64
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial

from overfit_atlas import judgement
from overfit_atlas.draws import Draws
from overfit_atlas.facts import Facts
from overfit_atlas.record import Judgement
from pipeline.studies.plan import Plan

SAID = ("verdict", "kind", "probability", "p_underfit")


@dataclass(frozen=True)
class Ruled:
    """What is said of each point: by number of its trial and budget of epochs, `SAID`.

    Attributes:
        wide: from how many nats on a gap is wide, everywhere on the map.
    """

    wide: float
    said: Mapping[tuple[int, int], Mapping[str, Any]]


def facts(plan: Plan) -> Facts:
    """What is known of the validation images besides the scores on them."""
    counts = plan.manifest.counts["val"]
    labels = np.repeat(np.arange(len(counts)), counts)
    return replace(Facts.of_labels(labels, len(counts)), one_split=not plan.tune.turn_folds)


def rule(plan: Plan, trials: Sequence[FrozenTrial]) -> Ruled:
    """The verdicts on the points of one map, each beside all others of its data and budget."""
    known = {
        (trial.number, int(budget)): unpacked(one)
        for trial in trials
        for budget, one in trial.system_attrs["draws"].items()
        if one
    }
    rules = plan.params.evaluate.rules
    of_images = replace(facts(plan), lowest_loss=judgement.lowest_loss(known.values()))
    groups: dict[tuple[Any, ...], dict[str, Draws]] = {}
    data = {trial.number: _data(plan, trial) for trial in trials}
    for (number, budget), found in known.items():
        groups.setdefault((data[number], budget), {})[str(number)] = found
    said = {}
    for (_, budget), group in groups.items():
        for name, found in group.items():
            others = {other: one for other, one in group.items() if other != name}
            said[int(name), budget] = spoken(judgement.ruled(name, found, rules, of_images, others))
    return Ruled(judgement.wide(rules, of_images.entropy, of_images.lowest_loss), said)


def spoken(made: Judgement) -> dict[str, Any]:
    """The words of a judgement and how likely they are (`SAID`)."""
    return {
        "verdict": made.verdict,
        "kind": made.kind,
        "probability": made.probability,
        "p_underfit": made.probabilities.get("underfit"),
    }


def packed(found: Draws | None) -> dict[str, Any]:
    """What the table of verdicts needs of draws, as JSON; a tenth of the size of plain numbers."""
    if found is None:
        return {}
    table = np.array([found.drawn[name] for name in sorted(found.drawn)], "<f4")
    return {
        "values": {name: round(float(one), 9) for name, one in found.values.items()},
        "names": sorted(found.drawn),
        "drawn": base64.b64encode(zlib.compress(table.tobytes(), 1)).decode(),
        "num_seeds": found.num_seeds,
        "num_images": found.num_images,
        "epochs": [int(epoch) for epoch in found.epochs],
        "per_image": found.per_image,
    }


def unpacked(kept: Mapping[str, Any]) -> Draws:
    """The draws that `packed` made small; of best epochs and prices nothing is left."""
    plain = np.frombuffer(zlib.decompress(base64.b64decode(kept["drawn"])), "<f4")
    drawn = plain.astype(np.float64).reshape(len(kept["names"]), -1)
    return Draws(
        values=kept["values"],
        drawn=dict(zip(kept["names"], drawn, strict=True)),
        best_epochs={},
        best_of_mean={},
        seed_best={},
        prices={},
        num_seeds=kept["num_seeds"],
        num_images=kept["num_images"],
        epochs=np.array(kept["epochs"], np.int64),
        per_image=kept["per_image"],
    )


def _data(plan: Plan, trial: FrozenTrial) -> tuple[float, float]:
    point = plan.full(trial.params)
    return point["train_fraction"], point["label_noise"]
