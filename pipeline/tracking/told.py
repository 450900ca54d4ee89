"""What stages tell MLflow of fits and models: figures and tables, drawn from what they computed.

Nothing here changes a result, so no stage runs again for it. One name has one meaning: `val/loss`
is a curve by epoch, `best/val/loss` its value at a fit's best epoch, and `final/val/loss` the score
of the weights that were delivered.
"""

import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.params import trained_by
from pipeline.tracking.records import file_hash
from pipeline.tracking.runs import Run
from pipeline.tracking.views import CURVES_TAG, GROWING

if TYPE_CHECKING:
    import pandas as pd

    from overfit_atlas.record import Judgement
    from pipeline.data.prepared import Manifest, Prepared
    from pipeline.evaluation import Evaluated
    from pipeline.training.task import FitResult, Progress

Row = Mapping[Any, Any]
TOP_5_FROM = 20
"""Classes: of fewer, one of five guesses is right too easily to say anything."""
COLUMNS = ("loss", "accuracy", "macro_f1", "worst_class_f1", "ece")
"""Of the table on the experiment's page."""


def prepare() -> None:
    """Import what all below need and what takes seconds, while there is nothing else to do."""
    from pipeline.plots import confusion, curves  # noqa: F401


class Live:
    """Tells each epoch as it ends: to a child run for each seed, and their mean to `run`.

    A context manager; children still open at its end share the fate of `run`. Epochs may be told by
    another thread, late or not at all: what was not is told with the whole fit.
    """

    def __init__(self, run: Run, name: str, seeds: Sequence[int]) -> None:
        self._run, self._name = run, name
        self._mutex = threading.Lock()
        self._stack = ExitStack()
        self._children: dict[int, Run] = {}
        self._epochs: dict[int, dict[int, list[Row]]] = {seed: {} for seed in seeds}
        self._over: set[int] = set()
        self._next_mean = 1

    def __enter__(self) -> "Live":
        self._run.log_tags({CURVES_TAG: GROWING})  # so that views show it from its first epoch on
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._mutex:
            self._over |= self._epochs.keys()
            self._stack.__exit__(kind, error, trace)

    def epoch(self, progress: "Progress") -> None:
        """One epoch of one fit is over."""
        with self._mutex:
            if progress.seed not in self._over:
                self._tell(progress.seed, progress.rows)

    def finished(self, result: "FitResult") -> None:
        """One fit is over: the rest of its curves, its cost, and how it failed if it did."""
        with self._mutex:
            table = result.history.curves
            self._tell(result.seed, table.drop(columns="seed").to_dict("records"))
            child = self._children[result.seed]
            best = table[table["epoch"] == result.best_epoch].to_dict("records")
            known = {f"best/{name}": x for name, x in _scores(best).items()}
            known |= {"best_epoch": result.best_epoch, "seconds": result.seconds}
            child.log_metrics(known)
            if result.failed:
                child.fail(result.failed)
            child.end()
            self._over.add(result.seed)
            self._tell_means()

    def _tell(self, seed: int, rows: Iterable[Row]) -> None:
        known = self._epochs[seed]
        new = [row for row in rows if int(row["epoch"]) not in known]
        if seed not in self._children:
            self._children[seed] = self._begun(seed)
        self._children[seed].log_epochs(new)
        for row in new:
            known.setdefault(int(row["epoch"]), []).append(row)
        self._tell_means()

    def _begun(self, seed: int) -> Run:
        title, tags = f"{self._name} seed {seed}", {"seed": str(seed)}
        child = self._stack.enter_context(self._run.child(title, tags))
        params = {key: x for key, x in self._run.params.items() if key != "train.seeds"}
        child.log_params({**params, "train.seed": seed})
        return child

    def _tell_means(self) -> None:
        """The means of the epochs that no seed will add to any more."""
        import pandas as pd

        while True:
            here = [known.get(self._next_mean) for known in self._epochs.values()]
            late = [seed for seed, rows in zip(self._epochs, here, strict=True) if rows is None]
            rows = [row for some in here if some for row in some]
            if not rows or not self._over.issuperset(late):
                return
            self._run.log_curves(pd.DataFrame(rows))
            self._next_mean += 1


def _scores(rows: Iterable[Row]) -> dict[str, float]:
    """`{"val/loss": value}` of the clean rows of one epoch."""
    return {
        f"{row['split']}/{score}": float(row[score])
        for row in rows
        if row["split"] != "running"
        for score in ("loss", "accuracy")
    }


def trained(run: Run, name: str, data: "Prepared", results: "Sequence[FitResult]") -> None:
    """The learning curves as a picture, and the classes on validation."""
    import pandas as pd

    from pipeline.plots import curves

    table = pd.concat([result.history.curves for result in results])
    delivered = float(np.mean([result.best_epoch for result in results]))
    run.log_metrics({"num_parameters": results[0].num_parameters, "delivered_epoch": delivered})
    run.log_figure(curves.learning_curves({name: table}, "en"), "learning_curves.png")
    classes(run, data, np.stack([result.probabilities for result in results]))


def classes(run: Run, data: "Prepared", probabilities: np.ndarray) -> None:
    """Confusions and scores by class on the validation images.

    Args:
        probabilities: `(num_seeds, num_val, num_classes)`.
    """
    from overfit_atlas import per_class
    from overfit_atlas.scoring.scores import Predictions
    from pipeline.plots import confusion

    names = data.manifest.class_names
    predictions = {"val": Predictions(probabilities, data.val.labels, data.val.true_labels)}
    table = per_class.confusion_table(predictions, names)
    run.log_table(_confused(table), "confusion_matrix.csv")
    drawn = confusion.confusion_matrix(table, names, "en", split="val")
    run.log_figure(drawn, "confusion_matrix.png")
    run.log_table(per_class.scores_table(predictions, names), "per_class.csv")


def _confused(table: "pd.DataFrame") -> "pd.DataFrame":
    """A table of confusions for people: all cells, or of many classes those that are not empty."""
    from pipeline.plots import confusion

    many = table["true"].max() >= confusion.MOST_SHOWN
    return table[table["count"] > 0] if many else table


def model(run: Run, saved: Path, name: str, manifest: "Manifest", curves: Path) -> str:
    """Log and register the model in a `.keras` file; its hash, for `Run.set_champion`.

    Args:
        curves: the table of curves written beside it, by which `attached` finds this run again.
    """
    run.log_tags({CURVES_TAG: file_hash(curves)})
    return run.log_model(saved, name, manifest)


def judged(run: Run, made: "Judgement", curves: Path) -> None:
    """Verdict, kind and the numbers behind them, on `run` and on the training they are about."""
    run.log_metrics(made.metrics())
    run.log_tags(made.tags())
    attached(run, made.name, curves, made.metrics(), made.tags())


def attached(
    run: Run, name: str, curves: Path, metrics: Mapping[str, float], tags: Mapping[str, Any]
) -> None:
    """Attach what another stage found to the newest run that trained NAME, and wrote these curves.

    So the runs one compares show the answer. DVC may have brought the curves from its cache: the
    run is found by what is in the file, not by when it ran; where there is none, nothing happens.

    Args:
        run: of the stage that found it, such as `judge@NAME` or `evaluate`.
        curves: `results/curves/NAME.csv`.
    """
    run.judge(trained_by(name), file_hash(curves), metrics, tags)


def evaluated(
    run: Run, name: str, model: "Evaluated", curves: Path, class_names: Sequence[str]
) -> None:
    """A child run for one model: all scores, the verdict, curves with marks, and its classes.

    Scores and verdict also go to the run that trained it.
    """
    import pandas as pd

    from overfit_atlas import ranking
    from pipeline.plots import confusion
    from pipeline.plots.curves import learning_curves
    from pipeline.plots.ranking import ranking as drawn_ranking

    areas = {split: ranking.areas(one, class_names) for split, one in model.splits.items()}
    metrics = {**model.judgement.metrics(), **_final(model), **_by_class(model, areas)}
    tags = model.judgement.tags()
    attached(run, name, curves, metrics, tags)
    with run.child(f"evaluate {name}", {"model": name, **tags}) as child:
        child.log_metrics(metrics)
        drawn = learning_curves({name: pd.read_csv(curves)}, "en", model.judgement.marks())
        child.log_figure(drawn, "learning_curves.png")
        found = model.classes.confusions
        for split in model.splits:
            figure = confusion.confusion_matrix(found, class_names, "en", split=split)
            child.log_figure(figure, f"confusion_matrix_{split}.png")
        child.log_table(_confused(found), "confusion_matrix.csv")
        held_out, of_held = model.splits[model.held_out], areas[model.held_out]
        drawn_classes = sorted(ranking.worst(of_held, confusion.MOST_SHOWN))
        curves_of = ranking.curves(held_out, class_names, drawn_classes)
        figure = drawn_ranking(curves_of, of_held, "en", model.held_out)
        child.log_figure(figure, f"roc_and_precision_recall_{model.held_out}.png")
        child.log_table(model.classes.scores, "per_class.csv")
        child.log_table(classes_table(model, areas), "per_class.json")
        child.log_table(model.reliability, "calibration.csv")


def classes_table(model: "Evaluated", areas: "Mapping[str, pd.DataFrame]") -> "pd.DataFrame":
    """All that is known of each class, a row a split and class, for MLflow's evaluation view.

    The columns of `per_class.scores_table`, the areas of `ranking.areas`, and tp, fp, fn, tn: true
    and false positives and negatives, means over seeds.
    """
    import pandas as pd

    from overfit_atlas import per_class

    ranked = pd.concat([table.assign(split=split) for split, table in areas.items()])
    counts = per_class.outcomes_table(model.classes.confusions)
    table = model.classes.scores.merge(ranked.drop(columns="class_name"), on=["split", "class"])
    table = table.merge(counts, on=["split", "class"])
    for column in per_class.OUTCOMES:
        table[column] = table[column] / table["num_seeds"]
    first = ["split", "class_name", "f1", "precision", "recall"]
    return table[[*first, *(name for name in table.columns if name not in first)]]


def _by_class(model: "Evaluated", areas: "Mapping[str, pd.DataFrame]") -> dict[str, float]:
    """F1 of each class on the held-out images, areas on every split, top-5 of many classes."""
    from overfit_atlas import ranking

    scores = model.classes.scores
    rows = scores[scores["split"] == model.held_out]
    names = metric_names(list(rows["class_name"]))
    start = f"final/{model.held_out}/f1"
    found = {f"{start}/{name}": f1 for name, f1 in zip(names, rows["f1"], strict=True)}
    for split, table in areas.items():
        for area in ("roc_auc", "average_precision"):
            found[f"final/{split}/{area}"] = table[area].mean()
    if len(rows) >= TOP_5_FROM:
        for split, one in model.splits.items():
            found[f"final/{split}/top_5_accuracy"] = ranking.top_accuracy(one, 5)
    return {name: float(value) for name, value in found.items()}


def metric_names(names: Sequence[str]) -> list[str]:
    """Names of classes as parts of a metric's name, which MLflow takes: no "/", no emoji.

    Two that become the same get their place in the list behind them.
    """
    made = [re.sub(r"[^\w.\- ]+", "_", name).strip(" .")[:100] or "_" for name in names]
    return [f"{one} {place}" if made.count(one) > 1 else one for place, one in enumerate(made)]


def _final(model: "Evaluated") -> dict[str, float]:
    """`{final/split/score: value}`: the numbers by which the runs' table can be sorted."""
    return {
        f"final/{split}/{score}": float(value)
        for split, scores in model.metrics.items()
        for score, value in scores.items()
        if isinstance(value, float)
    }


def compared(run: Run, models: "Mapping[str, Evaluated]") -> None:
    """The table of results on MLflow's page of the experiment."""
    lines = [
        f"| model | split | {' | '.join(COLUMNS)} | verdict |",
        "|---" * (len(COLUMNS) + 3) + "|",
    ]
    for name, one in models.items():
        scores = [one.metrics[one.held_out].get(score) for score in COLUMNS]
        shown = ["-" if score is None else f"{score:.4g}" for score in scores]
        verdict = one.judgement.tags().get("verdict", "-")
        lines.append(f"| {name} | {one.held_out} | {' | '.join(shown)} | {verdict} |")
    run.describe_experiment("\n".join(lines))
