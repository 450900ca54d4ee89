"""What MLflow's and Optuna's own pages make of our runs and studies, in a real browser."""

from pathlib import Path
from typing import Any

import optuna
import optuna_dashboard
import pandas as pd
import pytest

from pipeline import params
from pipeline.studies import storage
from pipeline.tracking import stage_run, views
from scripts import make_images

pytestmark = pytest.mark.long


def outside(page: Any) -> list[str]:
    """The addresses a page asks for that are not this machine's; filled as it goes on."""
    found: list[str] = []

    def note(request: Any) -> None:
        if not request.url.startswith(("http://127.0.0.1", "data:", "blob:")):
            found.append(request.url)

    page.on("request", note)
    return found


def curves(rise: float) -> pd.DataFrame:
    """Two seeds whose validation loss turns round after epoch 2."""
    return pd.DataFrame(
        [
            {"seed": seed, "epoch": epoch, "split": split, "loss": loss + 0.1 * seed}
            for seed in (0, 1)
            for epoch, fit in enumerate((0.9, 0.5, 0.3, 0.1), start=1)
            for split, loss in (("probe", fit), ("val", fit + rise * max(0, epoch - 2)))
        ]
    )


def test_the_view_of_make_ui_has_the_losses_of_all_models_on_one_axis_and_their_verdicts(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("DVC_STAGE", raising=False)
    names = ["train@dense", "tuned"]
    for rise, name in enumerate(names):
        with stage_run(params.parse({}), name, "demo") as run:
            run.log_curves(curves(0.2 + rise))
            run.log_tags({"verdict": "overfit", "kind": "too sure", views.CURVES_TAG: name})
            run.log_metrics({"gap/loss": rise, "final/val/loss": 0.5})
    database = tmp_path / "mlruns" / "mlflow.db"
    experiment, _ = make_images.latest(database, names)
    with make_images.mlflow_server(database) as address:
        page = make_images.charts(browser, address, experiment)
        for name in names:
            for split in ("probe", "val"):
                page.get_by_text(f"{name} ({split}/loss)").first.wait_for(state="attached")
        assert "probe/loss vs val/loss" in page.inner_text("body")
        asked = outside(page)
        page.goto(f"{address}/{views.place(experiment, 'TABLE')}")
        for title in ("verdict", "kind", "gap/loss", "final/val/loss"):
            page.get_by_text(title, exact=True).first.wait_for(timeout=make_images.APPEARS_WITHIN)
        assert asked == []
        page.close()


def test_optuna_dashboard_shows_the_study(browser: Any, tmp_path: Path) -> None:
    name = storage.study_name("map", "dense", {"seed": 0})
    sampler, pruner = optuna.samplers.RandomSampler(seed=0), optuna.pruners.NopPruner()
    with storage.study(name, sampler, pruner, tmp_path) as made:
        made.optimize(
            lambda trial: trial.suggest_int("width", 4, 512) * trial.suggest_float("dropout", 0, 1),
            n_trials=6,
        )
        optuna_dashboard.save_note(made, "How to read this study")
    database = tmp_path / "optuna.db"
    with make_images.optuna_server(database) as address:
        page = make_images.study(browser, address, make_images.newest_map(database))
        asked = outside(page)
        page.goto(f"{address}/studies/{make_images.newest_map(database)}")
        for text in (name, "Params = [width:"):  # each appears when its own request is answered
            page.get_by_text(text).first.wait_for(timeout=make_images.APPEARS_WITHIN)
        assert "dropout:" in page.inner_text("body")
        assert asked == []
        page.close()
