"""What stages tell MLflow of fits and models: figures and tables, drawn from what they computed.

Nothing here changes a result, so no stage runs again for it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.tracking.runs import Run

if TYPE_CHECKING:
    import pandas as pd

    from overfit_atlas.record import Judgement
    from pipeline.data.prepared import Prepared
    from pipeline.evaluation import Evaluated
    from pipeline.training.task import FitResult


def prepare() -> None:
    """Import what all below need and what takes seconds, while there is nothing else to do."""
    from pipeline import quiet
    from pipeline.plots import confusion, curves  # noqa: F401

    quiet.tensorflow()


def fits(run: Run, name: str, results: "Sequence[FitResult]") -> None:
    """A child run for each fit: its curves, its cost, and how it failed if it did."""
    for result in results:
        with run.child(f"{name} seed {result.seed}", {"seed": str(result.seed)}) as child:
            child.log_curves(result.history.curves)
            child.log_metrics({"seconds": result.seconds, "best_epoch": result.best_epoch})
            if result.failed:
                child.fail(result.failed)


def trained(run: Run, name: str, data: "Prepared", results: "Sequence[FitResult]") -> None:
    """The curves over all seeds, the learning rate, and the classes on validation."""
    import pandas as pd

    from pipeline.plots import curves

    table = pd.concat([result.history.curves for result in results])
    run.log_curves(table)
    run.log_metrics({"num_parameters": results[0].num_parameters})
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


def evaluated(
    run: Run, name: str, model: "Evaluated", table: "pd.DataFrame", class_names: Sequence[str]
) -> None:
    """A child run for one model: all scores, the verdict, curves with marks, and its classes."""
    from pipeline.plots import confusion, curves

    with run.child(f"evaluate {name}", {"model": name, **model.judgement.tags()}) as child:
        child.log_metrics(model.judgement.metrics())
        child.log_metrics(_flat(model))
        child.log_curves(table)
        drawn = curves.learning_curves({name: table}, "en", model.judgement.marks())
        child.log_figure(drawn, "learning_curves.png")
        found = model.classes.confusions
        for split in model.splits:
            figure = confusion.confusion_matrix(found, class_names, "en", split=split)
            child.log_figure(figure, f"confusion_matrix_{split}.png")
        child.log_table(_confused(found), "confusion_matrix.csv")
        child.log_table(model.classes.scores, "per_class.csv")
        child.log_table(model.reliability, "calibration.csv")


def _flat(model: "Evaluated") -> dict[str, float]:
    """`{split/score: value}`: the numbers by which the runs' table can be sorted."""
    return {
        f"{split}/{score}": float(value)
        for split, scores in model.metrics.items()
        for score, value in scores.items()
        if isinstance(value, float)
    }


def model(run: Run, saved: Path, name: str, dataset: str) -> str:
    """Log and register the model in a `.keras` file; the hash of its weights."""
    from pipeline import prediction

    return run.log_model(prediction.load(saved), name, dataset)


def judged(run: Run, made: "Judgement") -> None:
    """Verdict, kind and the numbers behind them."""
    run.log_metrics(made.metrics())
    run.log_tags(made.tags())
