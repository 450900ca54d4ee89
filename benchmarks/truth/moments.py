"""Other thresholds, judged in seconds: `rejudged`, from the means and covariances of all draws.

`judge` keeps of each recipe's draws (three seeds together) what a normal distribution needs, and
the true quantities; `python -m benchmarks.truth rules NAME=VALUE ...` draws from it anew and lets
the table of verdicts judge them, and the truth, by other rules. Estimators need the fits.
"""

import numpy as np
import pandas as pd

from benchmarks.truth.settings import NUM_JUDGED
from overfit_atlas import recalibration, verdicts
from overfit_atlas.draws import Draws
from overfit_atlas.facts import Facts
from overfit_atlas.held_out import SCORES
from overfit_atlas.rules import Rules
from overfit_atlas.scoring.fits import Floats
from overfit_atlas.verdicts import RULINGS, Known

TABLE = "moments.csv.gz"
QUANTITIES = (
    *("first", "fall", "gap/loss", "gap/accuracy", "probe/loss", "probe/accuracy"),
    *(f"{what}/{score}" for what in ("val", "best", "damage", "fitted") for score in SCORES),
)
"""What the table of verdicts looks at."""
UPPER = np.triu_indices(len(QUANTITIES))


def row(found: Draws, truth: dict[str, Floats], facts: Facts, true: Known) -> dict[str, float]:
    """Of a recipe: `mean/...` and `cov/...` of draws, `true/...`, and what is known of classes."""
    drawn = np.stack([found.drawn[name] for name in QUANTITIES])
    made = {
        f"mean/{name}": float(value) for name, value in zip(QUANTITIES, drawn.mean(1), strict=True)
    }
    covariance = np.cov(drawn)[UPPER]
    made |= {f"cov/{place}": float(value) for place, value in enumerate(covariance)}
    made |= {f"true/{name}": float(truth[name][0]) for name in QUANTITIES}
    made |= {"num_truth": float(true.num_images or 0)}
    for side, known in (("val", facts), ("truth", true)):
        assert known.entropy is not None and known.majority is not None
        made |= {f"entropy/{side}": known.entropy, f"majority/{side}": known.majority}
    return made


def rejudged(table: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    """What judgements by `rules` would say, as far as `measures` looks at verdicts and damages."""
    return pd.DataFrame([_judged(one, rules) for _, one in table.iterrows()])


def _judged(one: "pd.Series[float]", rules: Rules) -> dict[str, object]:
    drawn, truth = _drawn(one, rules.num_draws), _true(one)
    known, known_truly = _known(one, "val", drawn, rules), _known(one, "truth", truth, rules)
    ruled = np.bincount(verdicts.through(drawn, known), minlength=len(RULINGS))
    true = RULINGS[verdicts.through(truth, known_truly)[0]]
    made: dict[str, object] = {name: one[name] for name in ("part", "number", "num_val", "weight")}
    made |= {"seeds": NUM_JUDGED, "true_verdict": true.verdict, "true_kind": true.kind}
    made |= {f"ruled/{place}": int(count) for place, count in enumerate(ruled)}
    for score in SCORES:
        damage, best = drawn[f"damage/{score}"], drawn[f"best/{score}"]
        made[f"{score}/share"] = recalibration.share(damage >= rules.material(score, best))
        made[f"{score}/true"] = one[f"true/damage/{score}"]
        made[f"{score}/material"] = rules.material(score, one[f"true/best/{score}"])
    return made


def _drawn(one: "pd.Series[float]", num_draws: int) -> dict[str, Floats]:
    """Draws from a normal distribution of these moments."""
    size = len(QUANTITIES)
    covariance = np.zeros((size, size))
    covariance[UPPER] = [one[f"cov/{place}"] for place in range(len(UPPER[0]))]
    covariance += np.triu(covariance, 1).T
    values, vectors = np.linalg.eigh(covariance)
    normal = np.random.default_rng(0).standard_normal((num_draws, size))
    spread = normal @ (vectors * np.sqrt(np.maximum(values, 0))).T
    means = np.array([one[f"mean/{name}"] for name in QUANTITIES])
    return dict(zip(QUANTITIES, np.ascontiguousarray((means + spread).T), strict=True))


def _true(one: "pd.Series[float]") -> dict[str, Floats]:
    return {name: np.array([one[f"true/{name}"]], dtype=np.float64) for name in QUANTITIES}


def _known(one: "pd.Series[float]", side: str, drawn: dict[str, Floats], rules: Rules) -> Known:
    entropy, majority = one[f"entropy/{side}"], one[f"majority/{side}"]
    lowest = min(float(drawn[f"best/{score}"].mean()) for score in SCORES[:2])
    size = int(one["num_val" if side == "val" else "num_truth"])
    return Known(rules, entropy, majority, rules.wide(entropy, lowest), num_images=size)
