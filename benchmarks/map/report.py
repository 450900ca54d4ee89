"""How often the maps are right: from the rows of `judging.judge`, with intervals over data sets."""

from collections.abc import Callable

import numpy as np
import pandas as pd

NUM_RESAMPLES = 2000
Measure = Callable[[pd.DataFrame], float]


def tables(rows: pd.DataFrame) -> str:
    """All figures as Markdown, each with its 95 % interval over data sets."""
    starts = rows.drop_duplicates(["set", "folds"]).copy()
    starts["covered"] = covered(starts)
    starts["octaves"] = np.log2(starts["high"]) - np.log2(starts["low"])
    points = rows.assign(
        inside=rows["true_gap"].between(rows["gap_loss_low"], rows["gap_loss_high"]),
        agrees=agrees(rows),
        verdict_agrees=rows["verdict"] == rows["true_verdict"],
        said=(rows["verdict"] != "undetermined") & (rows["kind"] != "unclear"),
    )
    told = points[points["said"]]
    lines = [
        f"{len(starts)} maps of {len(points) // len(starts)} points, drawn from the fits of "
        f"{starts['set'].nunique()} data sets.",
        "",
        "| | share | of |",
        "|---|---|---|",
        _line("the band holds the true start of overfitting, dropout 0", starts, "covered"),
        _line("the surface's interval holds the true gap", points, "inside"),
        _line("verdict and kind are the true ones", points, "agrees"),
        _line("the same, of points where both are said", told, "agrees"),
        _line("the verdict is the true one", points, "verdict_agrees"),
        "",
        f"Median band: x{2 ** starts['octaves'].median():.2g} in width, of "
        f"{starts['octaves'].notna().sum()} maps with two ends.",
        "",
        _confusion(points),
    ]
    return "\n".join(lines)


def covered(starts: pd.DataFrame) -> pd.Series:
    """Whether the band of a map holds the true start; an end beyond the widths is no end."""
    low = starts["low"].fillna(0.0).where(starts["reach"] != "at no width", starts["low"])
    high = starts["high"].fillna(np.inf).where(starts["reach"] != "at every width", starts["high"])
    low, high = low.fillna(np.inf), high.fillna(0.0)
    return (low <= starts["true_start"]) & (starts["true_start"] <= high)


def agrees(rows: pd.DataFrame) -> pd.Series:
    """Whether verdict and kind are the true ones; what is not said is not right."""
    same_kind = rows["kind"].fillna("") == rows["true_kind"].fillna("")
    return (rows["verdict"] == rows["true_verdict"]) & same_kind


def _line(what: str, rows: pd.DataFrame, column: str) -> str:
    if rows.empty:
        return f"| {what} | – | 0 |"
    low, high = _interval(rows, lambda part: float(part[column].mean()))
    return f"| {what} | {rows[column].mean():.1%} ({low:.1%} to {high:.1%}) | {len(rows)} |"


def _interval(rows: pd.DataFrame, measure: Measure) -> tuple[float, float]:
    """Over resampled data sets, whose maps are not independent of each other."""
    parts = [part for _, part in rows.groupby("set")]
    generator = np.random.default_rng(0)
    found = [
        measure(
            pd.concat([parts[place] for place in generator.integers(0, len(parts), len(parts))])
        )
        for _ in range(NUM_RESAMPLES // 10)
    ]
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def _confusion(points: pd.DataFrame) -> str:
    def named(verdict: str, kind: str) -> pd.Series:
        return points[verdict] + points[kind].fillna("").map(lambda one: f", {one}" if one else "")

    counts = pd.crosstab(named("true_verdict", "true_kind"), named("verdict", "kind"))
    head = f"| true \\ said | {' | '.join(counts.columns)} |"
    lines = [head, "|---" * (len(counts.columns) + 1) + "|"]
    for true, row in counts.iterrows():
        lines.append(f"| {true} | {' | '.join(str(one) for one in row)} |")
    return "\n".join(lines)
