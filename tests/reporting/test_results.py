"""Reading what the stages wrote: all of it, parts of it, and broken files."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.reporting import results
from pipeline.reporting.results import ResultsError


def metrics(**losses: float | None) -> dict:
    return {
        name: {"val": {"loss": loss}, "test": {"num_seeds": 5}} for name, loss in losses.items()
    }


def write(folder: Path, document: dict) -> None:
    (folder / "metrics.json").write_text(json.dumps(document))


def test_only_metrics_are_needed(tmp_path: Path, digits_folder: Path) -> None:
    write(tmp_path, metrics(cnn=0.3))
    found = results.read(tmp_path, digits_folder)
    assert found.models == ("cnn",)
    assert found.curves == {} and found.tune == {} and found.compare == {}
    assert found.table("per_class", "cnn") is None
    assert found.arrays("predictions", "cnn") is None
    assert found.manifest.dataset == "digits"


def test_without_metrics_the_remedy_is_named(tmp_path: Path, digits_folder: Path) -> None:
    with pytest.raises(ResultsError, match=r"metrics.json: not found. Run `dvc repro evaluate`"):
        results.read(tmp_path, digits_folder)


def test_models_come_in_the_order_of_params_and_others_after(
    tmp_path: Path, digits_folder: Path
) -> None:
    write(tmp_path, metrics(zebra=1.0, ensemble=0.5, cnn=0.4, dense=0.6, ant=2.0))
    found = results.read(tmp_path, digits_folder)
    assert found.models == ("dense", "cnn", "ensemble", "ant", "zebra")
    assert found.best == "cnn"


def test_a_model_without_a_validation_loss_is_never_the_best(
    tmp_path: Path, digits_folder: Path
) -> None:
    write(tmp_path, metrics(cnn=None, dense=9.0))
    assert results.read(tmp_path, digits_folder).best == "dense"


def test_a_class_called_na_stays_a_class(tmp_path: Path, digits_folder: Path) -> None:
    write(tmp_path, metrics(cnn=0.3))
    (tmp_path / "per_class").mkdir()
    (tmp_path / "per_class" / "cnn.csv").write_text("class_name,f1\nNA,0.5\nNone,\n")
    table = results.read(tmp_path, digits_folder).table("per_class", "cnn")
    assert table is not None
    assert list(table["class_name"]) == ["NA", "None"]
    assert np.isnan(table["f1"][1])


def test_empty_tables_count_as_missing(tmp_path: Path, digits_folder: Path) -> None:
    write(tmp_path, metrics(cnn=0.3))
    (tmp_path / "confused_pairs").mkdir()
    (tmp_path / "confused_pairs" / "cnn.csv").write_text("true,predicted\n")
    (tmp_path / "confusions").mkdir()
    (tmp_path / "confusions" / "cnn.csv").write_text("")
    found = results.read(tmp_path, digits_folder)
    assert found.table("confused_pairs", "cnn") is None
    assert found.table("confusions", "cnn") is None


@pytest.mark.parametrize("name", ["diagnosis.json", "tune/map.csv", "compare/remedies/effects.csv"])
def test_a_broken_file_is_named(tmp_path: Path, digits_folder: Path, name: str) -> None:
    write(tmp_path, metrics(cnn=0.3))
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text('a,b\n"1,2\n3,4,5\n{')
    with pytest.raises(ResultsError, match=f"{Path(name).name}: cannot be read"):
        results.read(tmp_path, digits_folder)


def test_broken_arrays_are_named_when_they_are_asked_for(
    tmp_path: Path, digits_folder: Path
) -> None:
    write(tmp_path, metrics(cnn=0.3))
    (tmp_path / "predictions").mkdir()
    (tmp_path / "predictions" / "cnn.npz").write_bytes(b"PK\x03\x04 not a zip")
    found = results.read(tmp_path, digits_folder)
    with pytest.raises(ResultsError, match=r"cnn.npz: cannot be read"):
        found.arrays("predictions", "cnn")
