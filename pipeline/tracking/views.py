"""The view in which MLflow opens an experiment: which columns and charts, kept beside its runs.

MLflow keeps a view that somebody saved as a tag of the experiment, and a link names it. So the
page can open with the losses of all models on one axis; without the link, it opens with what the
reader's own browser remembers.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

CURVES_TAG = "curves"
"""Of a run with learning curves: the hash of their file, or `GROWING` until it is written."""
GROWING = "not finished"
KEY = "overfit-atlas"
"""Names the view in a link: `viewStateShareKey=`."""
TAG = f"mlflow.sharedViewState.{KEY}"
PLACE = (
    "#/experiments/{}/runs?workflowType=machine_learning&compareRunsMode={}&viewStateShareKey={}"
)
"""The page of an experiment's runs with this view: CHART, or TABLE."""
TITLE = "Overfit Atlas: losses, and verdicts"
TRAININGS = f"tags.{CURVES_TAG} LIKE '%'"
"""Finds what has learning curves, the search's winner too, whatever it is called."""
COLUMNS = (
    "tags.`verdict`",
    "tags.`kind`",
    "metrics.`gap/loss`",
    "metrics.`onset_epoch/loss`",
    "metrics.`final/val/loss`",
)
CURVES = {
    "Loss: training images (probe) and validation": ("probe/loss", "val/loss"),
    "Accuracy: training images (probe) and validation": ("probe/accuracy", "val/accuracy"),
}
BARS = {
    "Gap in loss, last epoch (nats)": "gap/loss",
    "Onset (epoch)": "onset_epoch/loss",
    "Loss of the delivered weights, validation": "final/val/loss",
}
HEIGHT = 360  # of a chart, pixels
MOST_RUNS = 10  # of one chart, as MLflow itself draws
_OWN = {"deleted": False, "isGenerated": False}


def place(experiment: str, mode: str = "CHART") -> str:
    """What follows a server's address to show the trainings of an experiment in this view."""
    return PLACE.format(experiment, mode, KEY)


def keep(client: "MlflowClient", experiment: "Experiment") -> None:
    """Save the view beside the runs of `experiment`, unless it is there as it should be."""
    if experiment.tags.get(TAG) != saved():
        client.set_experiment_tag(experiment.experiment_id, TAG, saved())


def saved() -> str:
    """The view as the value of the tag `TAG`, in the form MLflow's own pages write."""
    return json.dumps(
        {"name": TITLE, "createdAt": 0, "updatedAt": 0, "state": json.dumps(_state())}
    )


def _state() -> dict[str, Any]:
    sections = [("curves", "Curves, means over seeds", 1), ("delivered", "What came out", 3)]
    return {
        "searchFilter": TRAININGS,
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": list(COLUMNS),
        "runsHiddenMode": "FIRST_10_RUNS",
        "compareRunSections": [
            {
                "uuid": key,
                "name": name,
                "columns": columns,
                "cardHeight": HEIGHT,
                "display": True,
                "isReordered": True,
                **_OWN,
            }
            for key, name, columns in sections
        ],
        "compareRunCharts": [
            *(_curve(title, names) for title, names in CURVES.items()),
            *(_bar(title, name) for title, name in BARS.items()),
        ],
        "isAccordionReordered": True,
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
    }


def _curve(title: str, names: Sequence[str]) -> dict[str, Any]:
    return _chart("LINE", title, names[0], "curves") | {
        "selectedMetricKeys": list(names),
        "lineSmoothness": 0,
        "xAxisKey": "step",
        "xAxisScaleType": "linear",
        "selectedXAxisMetricKey": "",
        "yAxisKey": "metric",
        "yAxisExpressions": [],
        "scaleType": "linear",
        "range": {},
        "ignoreOutliers": False,
        "useGlobalXaxisKey": False,
        "useGlobalLineSmoothing": True,
    }


def _bar(title: str, name: str) -> dict[str, Any]:
    return _chart("BAR", title, name, "delivered")


def _chart(kind: str, title: str, name: str, section: str) -> dict[str, Any]:
    shown = {"type": kind, "displayName": title, "metricKey": name, "metricSectionId": section}
    return {"uuid": f"{section}-{name}", "runsCountToCompare": MOST_RUNS, **shown, **_OWN}
