"""How often the diagnosis is right, on synthetic histories whose truth is known.

    python -m benchmarks.detector [--cases 50] [--first-seed 0] [--out FILE]

Prints, as Markdown: verdicts against truths, false alarms and misses of "overfit", and errors of
the onset in epochs; each beside early stopping with patience 5 and Prechelt's GL_2, and beside the
same diagnosis when it sees only what a Keras history holds.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.diagnosis import prechelt, synthetic
from pipeline.diagnosis.diagnose import diagnose
from pipeline.diagnosis.histories import History
from pipeline.diagnosis.record import Diagnosis
from pipeline.diagnosis.synthetic import Case
from pipeline.diagnosis.verdict import Reference
from pipeline.params import Evaluate

VERDICTS = ("underfit", "good fit", "overfit", "memorising", "undetermined")
FULL, KERAS_ONLY = "this project", "this project, Keras history only"
RIVALS = {"patience 5": prechelt.patience_stop, "GL_2": prechelt.gl_stop}
NO_FAULT = ("good fit", "memorising", "underfit")


def judged(case: Case) -> Iterator[dict[str, object]]:
    """One row a detector: verdict, and the onset's error in each seed it was seen in."""
    facts = {
        "kind": case.kind,
        "truth": case.verdict,
        "clear": case.clear,
        "num_seeds": len(case.histories),
    }
    reference = Reference(case.reference, "model", "best")
    histories = {FULL: case.histories, KERAS_ONLY: [_as_keras(one) for one in case.histories]}
    for name, given in histories.items():
        found = diagnose(case.kind, given, Evaluate(), reference, synthetic.NUM_CLASSES)
        yield facts | {"detector": name, "verdict": found.verdict, "errors": _errors(found, case)}
    for name, stop in RIVALS.items():
        yield facts | {"detector": name, **_rival(case, stop)}


def _as_keras(history: History) -> History:
    """The same fit as a Keras history shows it: running training scores, no single images."""
    curves = history.curves.replace({"split": {"probe": "running"}})
    return History(curves.drop(columns="ece"), None, history.seed)


def _errors(found: Diagnosis, case: Case) -> list[int]:
    onset = found.onsets.get("loss")
    pairs = zip(onset.seeds if onset else (), case.onsets, strict=False)
    return [one.epoch - truth for one, truth in pairs if one.epoch and truth]


def _rival(case: Case, stop: object) -> dict[str, object]:
    """A stopping rule as a detector: it says "overfit" where it stops more than half of the seeds.

    Its onset is the epoch early stopping would go back to: the lowest loss until it stops.
    """
    losses = [history.series("val", "loss") for history in case.histories]
    stops = [stop(loss[np.isfinite(loss)]) for loss in losses]  # type: ignore[operator]
    pairs = zip(stops, losses, case.onsets, strict=True)
    errors = [int(np.argmin(loss[:end])) + 1 - true for end, loss, true in pairs if end and true]
    fired = sum(end is not None for end in stops)
    return {"verdict": "overfit" if 2 * fired > len(stops) else "good fit", "errors": errors}


def confusion(rows: pd.DataFrame) -> pd.DataFrame:
    """Kinds of truth by verdict, counts."""
    ours = rows[rows["detector"] == FULL]
    table = pd.crosstab([ours["truth"], ours["kind"]], ours["verdict"])
    kinds = [(truth, kind) for kind, (truth, _) in synthetic.KINDS.items()]
    return table.reindex(index=kinds, columns=list(VERDICTS), fill_value=0)


def rates(rows: pd.DataFrame) -> pd.DataFrame:
    """False alarms, misses and onset errors of every detector, with Wilson intervals."""
    return pd.DataFrame([_rates(name, ones) for name, ones in rows.groupby("detector", sort=False)])


def _rates(name: object, rows: pd.DataFrame) -> dict[str, object]:
    said = rows["verdict"] == "overfit"
    clear = rows[rows["clear"]]
    errors = np.abs([error for ones in clear["errors"] for error in ones])
    true_seeds = int(clear["num_seeds"].sum())
    return {
        "detector": name,
        "false overfit on good fit": _share(said[rows["truth"] == "good fit"]),
        "on underfit and memorising": _share(said[rows["truth"].isin(NO_FAULT[1:])]),
        "clear overfit missed": _share(~said[rows["clear"]]),
        "onset seen": f"{len(errors)} of {true_seeds} seeds",
        "onset error, median": f"{np.median(errors):.0f} epochs",
        "90 % within": f"{np.quantile(errors, 0.9):.0f} epochs",
    }


def _share(hits: pd.Series) -> str:
    from statsmodels.stats.proportion import proportion_confint  # type: ignore[import-untyped]

    count, total = int(hits.sum()), len(hits)
    low, high = proportion_confint(count, total, method="wilson")
    return f"{count / total:.1%} ({low:.1%} to {high:.1%}; {count} of {total})"


def measured(cases: int, first_seed: int) -> pd.DataFrame:
    """One row a case and detector, `cases` of every kind."""
    seeds = range(first_seed, first_seed + cases)
    made = (synthetic.make(kind, seed) for kind in synthetic.KINDS for seed in seeds)
    return pd.DataFrame([row for case in made for row in judged(case)])


def markdown(rows: pd.DataFrame) -> str:
    """The tables."""
    cases = len(rows) // rows["detector"].nunique()
    return "\n\n".join(
        [
            f"{cases} synthetic histories, 1, 3 or 5 seeds each.",
            "Verdicts (columns) by truth:",
            _table(confusion(rows).reset_index()),
            "Detectors; a clear overfit ends 25 % and 0.1 nats above its minimum:",
            _table(rates(rows).set_index("detector").T.reset_index(names="")),
        ]
    )


def _table(table: pd.DataFrame) -> str:
    lines: list[Sequence[object]] = [list(table.columns), ["---"] * table.shape[1]]
    lines += table.to_numpy().tolist()
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=50, help="histories of each kind")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="also write the tables to this file")
    arguments = parser.parse_args()
    said = markdown(measured(arguments.cases, arguments.first_seed))
    print(said)
    if arguments.out:
        arguments.out.write_text(said + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
