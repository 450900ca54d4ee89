"""How true the judge is, from the table of `judging`: `tables`, in Markdown, for docs and README.

Every figure has its number of cases. Shares and errors are of the natural mix of settings (weights
of `settings`); intervals resample settings, a setting's trainings together.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import optimize, special

from overfit_atlas import recalibration
from overfit_atlas.held_out import SCORES
from overfit_atlas.judgement import likeliest
from overfit_atlas.rules import UNDETERMINED
from overfit_atlas.scoring.fits import Floats
from overfit_atlas.verdicts import RULINGS

NUM_RESAMPLES = 400
BINS = np.array([0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0])
LARGE_VAL = 400
Statistic = Callable[[pd.DataFrame], float]


def probability(rows: pd.DataFrame, score: str) -> Floats:
    """P(material) of each row."""
    return recalibration.MATERIAL[score](rows[f"{score}/share"])


def is_material(rows: pd.DataFrame, score: str) -> "pd.Series[bool]":
    """Whether the true damage is at least material."""
    return rows[f"{score}/true"] >= rows[f"{score}/material"]


def verdict_table(rows: pd.DataFrame) -> pd.DataFrame:
    """For each row: verdict (likeliest), its probability, kind, kind_probability, right."""
    counts = rows[[f"ruled/{place}" for place in range(len(RULINGS))]].to_numpy(float)
    said = [likeliest(one) for one in counts.tolist()]
    found = pd.DataFrame(index=rows.index)
    found["verdict"] = [one.verdicts[0] for one in said]
    found["probability"] = [one.probability for one in said]
    found["kind"] = [one.kind for one in said]
    found["kind_probability"] = [one.kinds.get(one.kind, 0.0) for one in said]
    found["right"] = found["verdict"] == rows["true_verdict"]
    found["kind_right"] = found["kind"] == rows["true_kind"].fillna("")
    return found


def interval(rows: pd.DataFrame, statistic: Statistic) -> tuple[float, float, float]:
    """A statistic with the ends of its 95 % interval, settings resampled with replacement."""
    generator = np.random.default_rng(0)
    groups = [np.asarray(one) for one in rows.groupby(["part", "number"]).indices.values()]
    drawn = []
    for _ in range(NUM_RESAMPLES):
        chosen = generator.integers(len(groups), size=len(groups))
        drawn.append(statistic(rows.iloc[np.concatenate([groups[one] for one in chosen])]))
    known = [one for one in drawn if np.isfinite(one)]
    low, high = np.quantile(known, [0.025, 0.975]) if known else (np.nan, np.nan)
    return statistic(rows), float(low), float(high)


def share(rows: pd.DataFrame, holds: Floats) -> float:
    """The weighted share of rows in which something holds; NaN without rows."""
    return float(np.average(holds, weights=rows["weight"])) if len(rows) else float("nan")


def slope(outcome: Floats, said: Floats, weight: Floats) -> float:
    """Slope of a logistic recalibration of probabilities `said`: 1 is right, below 1 too sure."""
    odds = special.logit(np.clip(said, 1e-3, 1 - 1e-3))

    def loss(fit: Floats) -> float:
        values = fit[0] + fit[1] * odds
        return float(
            np.average(np.logaddexp(0, np.where(outcome, -values, values)), weights=weight)
        )

    return float(optimize.minimize(loss, [0.0, 1.0], method="Nelder-Mead").x[1])


def calibration_error(outcome: Floats, said: Floats, weight: Floats) -> float:
    """Mean distance of said and true probability over bins, less what chance explains (debiased).

    The square of each bin's distance is lessened by the variance of its share, not below 0.
    """
    total, error = weight.sum(), 0.0
    for low, high in zip(BINS, BINS[1:], strict=False):
        inside = (said > low) & (said <= high)
        if not inside.any():
            continue
        own = weight[inside] / weight[inside].sum()
        true = float(own @ outcome[inside])
        chance = true * (1 - true) * float(own @ own)
        distance = (true - float(own @ said[inside])) ** 2 - chance
        error += weight[inside].sum() / total * np.sqrt(max(distance, 0.0))
    return float(error)


def tables(rows: pd.DataFrame) -> str:
    """All tables of the part in `rows`, in Markdown."""
    rows, parts = rows.join(verdict_table(rows)), []
    for seeds, named in ((3, "three seeds together"), (1, "single trainings")):
        own = rows[rows["seeds"] == seeds]
        if len(own):
            parts.append(f"**{named}** ({len(own)} judgements)\n\n{_table(own)}")
    return "\n\n".join(parts)


def _table(rows: pd.DataFrame) -> str:
    lines = ["| | cases | measured | 95 % interval |", "|---|---|---|---|"]
    for named, cases, statistic, form in _rows():
        chosen = cases(rows)
        value, low, high = interval(chosen, statistic) if len(chosen) else (np.nan,) * 3
        cells = (
            named,
            str(len(chosen)),
            form.format(value),
            f"{form.format(low)} to {form.format(high)}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _everything(rows: pd.DataFrame) -> pd.DataFrame:
    return rows


def _rows() -> list[tuple[str, Callable[[pd.DataFrame], pd.DataFrame], Statistic, str]]:
    made: list[tuple[str, Callable[[pd.DataFrame], pd.DataFrame], Statistic, str]] = []
    for score in SCORES:
        made += _of_damage(score)
    return made + _of_verdicts() + _of_intervals()


def _of_damage(
    score: str,
) -> list[tuple[str, Callable[[pd.DataFrame], pd.DataFrame], Statistic, str]]:
    name = score.replace("_", " ")

    def harmless(rows: pd.DataFrame) -> pd.DataFrame:
        return rows[rows[f"{score}/true"] < rows[f"{score}/material"] / 2]

    def clear(rows: pd.DataFrame) -> pd.DataFrame:
        large = rows[f"{score}/true"] >= 2 * rows[f"{score}/material"]
        return rows[large & (rows["num_val"] >= LARGE_VAL)]

    def pair(rows: pd.DataFrame) -> tuple[Floats, Floats, Floats]:
        outcome = is_material(rows, score).to_numpy(float)
        return outcome, probability(rows, score), rows["weight"].to_numpy(float)

    def brier(rows: pd.DataFrame) -> float:
        outcome, said, weight = pair(rows)
        return float(np.average(np.square(outcome - said), weights=weight))

    def of_base(rows: pd.DataFrame) -> float:
        base = share(rows, pair(rows)[0])
        return base * (1 - base)

    return [
        (f"P(material), {name}: slope of the recalibration", _everything,
         lambda rows: slope(*pair(rows)), "{:.2f}"),
        (f"P(material), {name}: calibration error", _everything,
         lambda rows: calibration_error(*pair(rows)), "{:.1%}"),
        (f"P(material), {name}: Brier score", _everything, brier, "{:.3f}"),
        (f"the same of the base rate, {name}", _everything, of_base, "{:.3f}"),
        (f"damage of {name} said, truth below half of material", harmless,
         lambda rows: share(rows, probability(rows, score) >= 0.5), "{:.1%}"),
        (f"clear damage of {name} missed, val of {LARGE_VAL} or more", clear,
         lambda rows: share(rows, probability(rows, score) < 0.5), "{:.1%}"),
    ]  # fmt: skip


def _of_verdicts() -> list[tuple[str, Callable[[pd.DataFrame], pd.DataFrame], Statistic, str]]:
    def said(rows: pd.DataFrame) -> pd.DataFrame:
        return rows[rows["probability"] >= UNDETERMINED]

    def with_kind(rows: pd.DataFrame) -> pd.DataFrame:
        clear = (rows["probability"] >= UNDETERMINED) & (rows["kind_probability"] >= UNDETERMINED)
        return rows[clear & rows["right"] & (rows["kind"] != "")]

    def large(rows: pd.DataFrame) -> pd.DataFrame:
        return rows[rows["num_val"] >= LARGE_VAL]

    def error(rows: pd.DataFrame) -> float:
        right, said = rows["right"].to_numpy(float), rows["probability"].to_numpy()
        return calibration_error(right, said, rows["weight"].to_numpy(float))

    return [
        ("verdict right, where one is said", said,
         lambda rows: share(rows, rows["right"].to_numpy(float)), "{:.1%}"),
        ("kind right, where verdict is right and a kind is said", with_kind,
         lambda rows: share(rows, rows["kind_right"].to_numpy(float)), "{:.1%}"),
        (f"undetermined, val of {LARGE_VAL} or more", large,
         lambda rows: share(rows, rows["probability"].to_numpy() < UNDETERMINED),
         "{:.1%}"),
        ("P(verdict): calibration error", _everything, error, "{:.1%}"),
    ]  # fmt: skip


def _of_intervals() -> list[tuple[str, Callable[[pd.DataFrame], pd.DataFrame], Statistic, str]]:
    def covered(name: str, low: str, high: str) -> Statistic:
        return lambda rows: share(
            rows, ((rows[low] <= rows[name]) & (rows[name] <= rows[high])).to_numpy(float)
        )

    made = [
        (f"coverage of the 95 % interval: {name.replace('/', ', ')}", _everything,
         covered(f"{name}/true", f"{name}/low", f"{name}/high"), "{:.1%}")
        for name in ("gap/loss", "val/accuracy")
    ]  # fmt: skip
    made += [
        (f"coverage of the 95 % interval: damage of {score.replace('_', ' ')}", _everything,
         covered(f"{score}/true", f"{score}/low", f"{score}/high"), "{:.1%}")
        for score in SCORES
    ]  # fmt: skip

    def width(rows: pd.DataFrame) -> float:
        return float((rows["loss/best_high"] - rows["loss/best_low"]).median())

    def against(rule: str, score: str) -> Statistic:
        ours, theirs = f"delivered/calibrated_loss/{score}", f"delivered/{rule}/{score}"
        return lambda rows: float(np.average(rows[ours] - rows[theirs], weights=rows["weight"]))

    made += [
        (f"weights of the best epoch by calibrated loss less those by {rule.replace('_', ' ')}: "
         "accuracy", _everything, against(rule, "accuracy"), "{:+.2%}")
        for rule in ("loss", "accuracy", "last")
    ]  # fmt: skip
    return [
        *made,
        ("coverage of the best epoch by loss", _everything,
         covered("loss/true_best", "loss/best_low", "loss/best_high"), "{:.1%}"),
        ("median width of its interval, epochs", _everything, width, "{:.0f}"),
    ]  # fmt: skip
