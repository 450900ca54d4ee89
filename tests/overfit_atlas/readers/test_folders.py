"""Folders: of tools, of one run, of several models."""

import json
import os
import struct
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from overfit_atlas.errors import ReadError
from overfit_atlas.readers import read

ROLES = ("loss", "accuracy", "val_loss", "val_accuracy")


def written(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def field(key: int, value: bytes | int | float) -> bytes:
    """A field of a protobuf message: bytes, a varint, or a float (double where key is 1)."""
    if isinstance(value, bytes):
        return varint(key << 3 | 2) + varint(len(value)) + value
    if isinstance(value, int):
        return varint(key << 3) + varint(value)
    return (
        varint(key << 3 | 1) + struct.pack("<d", value)
        if key == 1
        else varint(key << 3 | 5) + struct.pack("<f", value)
    )


def events(curves: dict[str, list[tuple[int, float]]], tensors: bool) -> bytes:
    """An event file of curves, their numbers in tensors or as plain floats."""
    numbers = []
    for tag, points in curves.items():
        for step, value in points:
            tensor = field(1, 1) + field(2, b"") + field(4, struct.pack("<f", value))
            numbers.append((tag, step, field(8, tensor) if tensors else field(2, float(value))))
    return event_file(numbers)


def event_file(numbers: list[tuple[str, int, bytes]]) -> bytes:
    """An event file as TensorBoard's writers make it: TFRecords of Event messages.

    Args:
        numbers: tag, step, and the field that holds the number.
    """
    records = [field(1, 1.7e9) + field(3, b"brain.Event:2")]
    for tag, step, number in numbers:
        summary = field(1, field(1, tag.encode()) + number)
        records.append(field(1, 1.7e9) + field(2, step) + field(5, summary))
    return b"".join(struct.pack("<Q", len(r)) + b"crc4" + r + b"crc4" for r in records)


def test_event_files_of_keras(run: Any, tmp_path: Path) -> None:
    for part, prefix in (("train", ""), ("validation", "val_")):
        curves = {
            f"epoch_{role}": list(enumerate(run.curves[prefix + role]))
            for role in ("loss", "accuracy")
        }
        written(
            tmp_path / "logs" / "fit" / part / "events.out.tfevents.1.host",
            events(curves, tensors=True),
        )
    found = read(tmp_path / "logs")
    run.check(found.fits[0], first_epoch=0)
    assert found.format == "tensorboard events" and found.fits[0].name == "fit"


def test_event_files_of_two_runs(run: Any, tmp_path: Path) -> None:
    for name in ("a", "b"):
        curves = {
            f"{q}/{s}": list(enumerate(run.curves[p + q], 1))
            for s, p in (("train", ""), ("val", "val_"))
            for q in ("loss", "accuracy")
        }
        written(tmp_path / name / "events.out.tfevents.1", events(curves, tensors=False))
    found = read(tmp_path)
    assert [fit.model for fit in found.fits] == ["a", "b"]
    for fit in found.fits:
        run.check(fit)
    run.check(read(tmp_path / "a" / "events.out.tfevents.1").fits[0])


def test_event_files_of_lightning_in_steps(run: Any, tmp_path: Path) -> None:
    steps = [
        (10 * i + s, x + d)
        for i, x in enumerate(run.curves["loss"])
        for s, d in ((4, -0.1), (9, 0.1))
    ]
    curves = {"train_loss": steps, "epoch": [(s, s // 10) for s, _ in steps]}
    curves |= {
        role: [(10 * i + 9, x) for i, x in enumerate(run.curves[role])]
        for role in ("val_loss", "val_accuracy")
    }
    written(tmp_path / "version_0" / "events.out.tfevents.1", events(curves, tensors=False))
    run.check(read(tmp_path).fits[0], "loss", "val_loss", "val_accuracy", first_epoch=0)


def test_one_event_file_of_keras_two(run: Any, tmp_path: Path) -> None:
    held = {
        f"{name}": list(enumerate(run.curves[role]))
        for name, role in (("epoch_loss", "val_loss"), ("epoch_accuracy", "val_accuracy"))
    }
    held["evaluation_loss_vs_iterations"] = [(45 * i, x) for i, x in held["epoch_loss"]]
    own = written(tmp_path / "a" / "validation" / "events.out.tfevents.1", events(held, True))
    run.check(read(own).fits[0], "val_loss", "val_accuracy", first_epoch=0)
    train = {"epoch_loss": list(enumerate(run.curves["loss"]))}
    half = written(tmp_path / "a" / "train" / "events.out.tfevents.1", events(train, True))
    for path in (own, half):
        with pytest.raises(ReadError, match="one half of a run .*; give the folder a"):
            read(path)
    run.check(read(tmp_path / "a").fits[0], "loss", "val_loss", "val_accuracy", first_epoch=0)


def test_a_cut_event_file_gives_what_is_whole(run: Any, tmp_path: Path) -> None:
    curves = {
        "loss/train": list(enumerate(run.curves["loss"])),
        "loss/val": list(enumerate(run.curves["val_loss"])),
    }
    whole = events(curves, tensors=False)
    fit = read(written(tmp_path / "events.out.tfevents.1", whole[:-20])).fits[0]
    assert fit.num_logged == 6 and fit.last == {
        "loss": pytest.approx(0.33),
        "val_loss": pytest.approx(0.73),
    }


def _number(kind: int, form: str, value: float) -> bytes:
    """A tensor of one number of TensorFlow's type `kind`, its bytes as its content."""
    return field(8, field(1, kind) + field(4, struct.pack(form, value)))


@pytest.mark.parametrize(
    "number",
    [
        lambda value: _number(1, "<f", value),
        lambda value: _number(2, "<d", value),
        lambda value: field(8, field(1, 1) + field(5, float(value))),  # among its floats
        lambda value: field(8, field(1, 1) + field(5, struct.pack("<f", value))),  # packed
    ],
    ids=["float", "double", "a float of its own", "packed"],
)
def test_a_number_may_stand_in_a_tensor_in_any_way(run: Any, tmp_path: Path, number: Any) -> None:
    numbers = [
        (tag, step, number(value))
        for tag in ("loss", "val_loss")
        for step, value in enumerate(run.curves[tag])
    ]
    odd = (b"", field(1, 1) + field(4, b"xy"), field(1, 7) + field(4, b"text"))
    numbers += [("note", 0, field(8, one)) for one in odd]
    path = written(tmp_path / "events.out.tfevents.1", event_file(numbers))
    run.check(read(path).fits[0], "loss", "val_loss", first_epoch=0)


def test_whole_numbers_in_tensors_are_epochs(run: Any, tmp_path: Path) -> None:
    numbers = [("epoch", 45 * epoch, _number(9, "<q", epoch)) for epoch in range(6)]
    numbers += [
        (tag, 45 * epoch, _number(1, "<f", run.curves[tag][epoch]))
        for epoch in range(6)
        for tag in ("loss", "val_loss")
    ]
    path = written(tmp_path / "events.out.tfevents.1", event_file(numbers))
    run.check(read(path).fits[0], "loss", "val_loss", first_epoch=0)


def test_curves_that_tensorboard_exported(run: Any, tmp_path: Path) -> None:
    for name, role in (
        ("run-train-tag-epoch_loss", "loss"),
        ("run-validation-tag-epoch_loss", "val_loss"),
    ):
        rows = [f"{1.7e9 + i},{i},{x}" for i, x in enumerate(run.curves[role])]
        written(tmp_path / f"{name}.csv", "\n".join(["Wall time,Step,Value", *rows]))
    rows = [[1.7e9 + i, i, x] for i, x in enumerate(run.curves["val_accuracy"])]
    written(tmp_path / "run-validation-tag-epoch_accuracy.json", json.dumps(rows))
    found = read(tmp_path)
    run.check(found.fits[0], "loss", "val_loss", "val_accuracy", first_epoch=0)
    with pytest.raises(ReadError, match="one curve that TensorBoard exported"):
        read(tmp_path / "run-train-tag-epoch_loss.csv")


def test_dvclive_with_epochs_and_with_steps_as_epochs(run: Any, tmp_path: Path) -> None:
    for role, name in (
        ("loss", "train/loss"),
        ("accuracy", "train/acc"),
        ("val_loss", "val/loss"),
        ("val_accuracy", "val/acc"),
    ):
        text = (
            "step\t"
            + name[-4:].strip("/")
            + "\n"
            + "".join(f"{i}\t{x}\n" for i, x in enumerate(run.curves[role]))
        )
        written(tmp_path / "a" / "plots" / "metrics" / f"{name}.tsv", text)
    written(tmp_path / "a" / "metrics.json", '{"train": {"loss": 0.3}, "step": 5}')
    found = read(tmp_path / "a")
    run.check(found.fits[0], first_epoch=0)
    assert found.format == "dvclive" and found.not_used == ("metrics.json",)


def test_folders_of_mlflows_file_store(run: Any, tmp_path: Path) -> None:
    for i, model in enumerate(("first", "second")):
        folder = tmp_path / "mlruns" / "0" / f"{i:032d}"
        for role, values in run.curves.items():
            written(
                folder / "metrics" / role,
                "".join(f"17000000{e:02d}000 {x} {e}\n" for e, x in enumerate(values)),
            )
        written(folder / "tags" / "mlflow.runName", model)
    found = read(tmp_path / "mlruns")
    assert [fit.model for fit in found.fits] == ["first", "second"] and found.format == "mlflow"
    for fit in found.fits:
        run.check(fit, first_epoch=0)


def test_metrics_logged_at_one_step_are_counted(run: Any, tmp_path: Path) -> None:
    for role, values in run.curves.items():
        written(
            tmp_path / "metrics" / role,
            "".join(f"17000000{e:02d}000 {x} 0\n" for e, x in enumerate(values)),
        )
    run.check(read(tmp_path).fits[0], first_epoch=0)


@pytest.mark.slow
def test_a_run_of_mlflow_by_its_id(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    address = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    client = mlflow.MlflowClient(address)
    made = client.create_run(
        client.create_experiment("e", artifact_location=str(tmp_path)), run_name="net"
    )
    points = [
        mlflow.entities.Metric(role.replace("val_", "validation_"), x, 1_700_000_000_000 + i, i)
        for role, values in run.curves.items()
        for i, x in enumerate(values)
    ]
    client.log_batch(made.info.run_id, metrics=points)
    for source in (made.info.run_id, f"runs:/{made.info.run_id}"):
        found = read(source)
        run.check(found.fits[0], first_epoch=0)
        assert found.format == "mlflow" and found.fits[0].model == "net"
    with pytest.raises(ReadError, match="cannot be read from MLflow"):
        read("0" * 32)


def test_a_database_that_is_not_there_is_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    with pytest.raises(ReadError, match="no database at"):
        read("0" * 32)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "address",
    ["http://user:S3cretPW@127.0.0.1:9/?token=S3cretTOKEN", "postgresql://user:S3cretPW@h:9/db"],
)
def test_a_server_out_of_reach_or_a_missing_driver_is_one_line_soon_and_without_passwords(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    started = time.monotonic()
    with pytest.raises(ReadError, match="cannot be read from MLflow") as refused:
        read("0" * 32)
    assert time.monotonic() - started < 30
    assert "S3c" not in str(refused.value) and "\n" not in str(refused.value)
    assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ


def trainer_state(run: Any, per_epoch: int = 2) -> dict[str, Any]:
    history: list[dict[str, float]] = []
    for i, (a, c, d) in enumerate(run.rows("loss", "val_loss", "val_accuracy"), 1):
        history += [
            {"loss": a + s, "epoch": i - 1 + (j + 1) / per_epoch, "step": 0}
            for j, s in enumerate((-0.1, 0.1))
        ]
        history.append(
            {"eval_loss": c, "eval_accuracy": d, "eval_runtime": 8.7, "epoch": float(i), "step": 0}
        )
    history.append({"train_loss": 0.5, "train_runtime": 358.0, "epoch": 6.0, "step": 0})
    return {"best_metric": 0.7, "epoch": 6.0, "log_history": history}


def test_hugging_face_and_the_last_of_its_checkpoints(run: Any, tmp_path: Path) -> None:
    state = trainer_state(run)
    earlier = {**state, "log_history": state["log_history"][:9]}
    for name, data in (("checkpoint-500", earlier), ("checkpoint-1000", state)):
        written(tmp_path / name / "trainer_state.json", json.dumps(data, indent=2))
    found = read(tmp_path)
    run.check(found.fits[0], "loss", "val_loss", "val_accuracy")
    assert found.format == "huggingface" and "checkpoint-500/trainer_state.json" in found.not_used
    table = pd.DataFrame(state["log_history"]).to_csv(index=False)
    run.check(
        read(written(tmp_path / "history.csv", table)).fits[0], "loss", "val_loss", "val_accuracy"
    )


def test_evaluations_within_epochs_are_counted(run: Any, tmp_path: Path) -> None:
    state = trainer_state(run)
    for entry in state["log_history"]:
        entry["epoch"] *= 0.48
    found = read(written(tmp_path / "trainer_state.json", json.dumps(state)))
    run.check(found.fits[0], "loss", "val_loss", "val_accuracy")
    assert "6 evaluations, taken as epochs" in found.said()


def test_lightning(run: Any, tmp_path: Path) -> None:
    lines = ["epoch,lr-Adam,step,test_loss,train_loss,val_acc,val_loss"]
    for i, (a, c, d) in enumerate(run.rows("loss", "val_loss", "val_accuracy")):
        lines += [
            f",0.001,{i}1,,,,",
            f"{i},,{i}4,,{a - 0.1},,",
            f"{i},,{i}8,,{a + 0.1},,",
            f"{i},,{i}9,,,{d},{c}",
        ]
    lines += ["6,,60,,,0.99,0.1", "6,,60,0.2,,,"]
    written(tmp_path / "version_0" / "metrics.csv", "\r\n".join(lines))
    written(tmp_path / "version_0" / "hparams.yaml", "lr: 0.001\n")
    found = read(tmp_path / "version_0")
    run.check(found.fits[0], "loss", "val_loss", "val_accuracy", first_epoch=0)
    assert "a validation after training left out (epoch 6)" in found.said()


def test_lightning_prefers_the_means_of_epochs(run: Any, tmp_path: Path) -> None:
    lines = ["epoch,step,train_loss_epoch,train_loss_step,val_loss"]
    for i, (a, c) in enumerate(run.rows("loss", "val_loss")):
        lines += [f"{i},{i}4,,9.9,", f"{i},{i}9,,,{c}", f"{i},{i}9,{a},,"]
    found = read(written(tmp_path / "metrics.csv", "\n".join(lines)))
    run.check(found.fits[0], "loss", "val_loss", first_epoch=0)
    assert found.fits[0].columns["loss"] == "train_loss_epoch"


def test_an_epoch_of_lightning_that_was_not_finished(run: Any, tmp_path: Path) -> None:
    lines = ["epoch,step,train_loss,val_loss"]
    for i, (a, c) in enumerate(run.rows("loss", "val_loss")):
        lines += [f"{i},{i}4,{a},", f"{i},{i}9,,{c}"]
    found = read(written(tmp_path / "metrics.csv", "\n".join([*lines, "6,64,0.2,"])))
    run.check(found.fits[0], "loss", "val_loss", first_epoch=0)
    assert "an unfinished epoch left out (6)" in found.said()


@pytest.mark.parametrize("padded", [True, False])
def test_ultralytics_old_and_new(run: Any, tmp_path: Path, padded: bool) -> None:
    names = [
        "epoch",
        "time",
        "train/loss",
        "metrics/accuracy_top1",
        "metrics/accuracy_top5",
        "val/loss",
        "lr/pg0",
    ]
    rows = [
        [i, 9.5, a, d, 0.99, c, 0.1]
        for i, (a, c, d) in enumerate(run.rows("loss", "val_loss", "val_accuracy"), 1)
    ]
    cells = [[f"{cell:>25}" if padded else str(cell) for cell in row] for row in [names, *rows]]
    fit = read(written(tmp_path / "results.csv", "\n".join(map(",".join, cells)))).fits[0]
    run.check(fit, "loss", "val_loss", "val_accuracy")
    assert (
        fit.columns["val_accuracy"] == "metrics/accuracy_top1"
        and fit.val_loss_comparable is not padded
    )


def test_fastai(run: Any, tmp_path: Path) -> None:
    lines = ["epoch,train_loss,valid_loss,accuracy,time"]
    lines += [
        f"{i},{a},{c},{d},00:1{i}"
        for i, (a, c, d) in enumerate(run.rows("loss", "val_loss", "val_accuracy"))
    ]
    found = read(written(tmp_path / "history.csv", "\n".join(lines)))
    run.check(found.fits[0], "loss", "val_loss", "val_accuracy", first_epoch=0)
    assert found.format == "fastai" and found.not_used == ("time",)


def test_panels_and_histories_of_wandb(run: Any, tmp_path: Path) -> None:
    head, cells = ['"Step"'], [[f'"{i}"'] for i in range(6)]
    for name in ("lenet - test 1", "val-run"):
        for role in ("loss", "val_loss"):
            head += [f'"{name} - {role}{end}"' for end in ("", "__MIN", "__MAX")]
            for row, x in zip(cells, run.curves[role], strict=True):
                row += [f'"{x}"'] * 3
    found = read(written(tmp_path / "panel.csv", "\n".join(map(",".join, [head, *cells]))))
    assert [fit.model for fit in found.fits] == [
        "lenet - test 1",
        "val-run",
    ] and found.format == "wandb export"
    for fit in found.fits:
        run.check(fit, "loss", "val_loss", first_epoch=0)
    frame = pd.DataFrame({"_step": range(6), "_runtime": 1.5, "epoch": range(1, 7), **run.curves})
    run.check(read(written(tmp_path / "run.csv", frame.to_csv())).fits[0])


def test_one_run_beside_files_that_are_no_logs(run: Any, tmp_path: Path) -> None:
    written(tmp_path / "history.json", json.dumps(run.curves))
    written(tmp_path / "history.csv", pd.DataFrame(run.curves).to_csv(index=False))
    written(
        tmp_path / "config.json", '{"num_classes": 9, "num_val_samples": 8864, "best_val_acc": 0.9}'
    )
    written(tmp_path / "per_class.csv", "class,precision,recall\na,0.5,0.6\nb,0.4,0.3\n")
    written(tmp_path / "model.keras", b"PK\x03\x04")
    found = read(tmp_path)
    assert len(found.fits) == 1
    run.check(found.fits[0])
    assert (found.fits[0].num_classes, found.fits[0].num_val_images) == (9, 8864)
    assert found.not_used == ("config.json", "model.keras", "per_class.csv")
    assert "the same log in two files" in found.said()


def test_several_models_are_judged_apart(run: Any, tmp_path: Path) -> None:
    shorter = {role: values[:5] for role, values in run.curves.items()}
    written(tmp_path / "cnn.json", json.dumps(run.curves))
    written(tmp_path / "transfer.csv", pd.DataFrame(shorter).to_csv(index=False))
    found = read(tmp_path)
    assert [(fit.model, fit.num_logged, fit.seed) for fit in found.fits] == [
        ("cnn", 6, None),
        ("transfer", 5, None),
    ]
    assert found.format == "several" and "--seeds" in found.said()
    same = read(tmp_path, seeds=True)
    assert [(fit.model, fit.seed) for fit in same.fits] == [("cnn", 1), ("cnn", 2)]


def test_files_of_one_name_are_named_by_their_folders(run: Any, tmp_path: Path) -> None:
    for i, name in enumerate(("run1", "run2")):
        curves = {role: [x + i / 100 for x in values] for role, values in run.curves.items()}
        written(tmp_path / name / "history.json", json.dumps(curves))
    assert [fit.model for fit in read(tmp_path).fits] == ["run1", "run2"]


@pytest.mark.parametrize("names", [("train_log", "val_log"), ("train", "test")])
def test_training_and_validation_in_files_of_their_own(
    run: Any, tmp_path: Path, names: tuple[str, str]
) -> None:
    for name, prefix in zip(names, ("", "val_"), strict=True):
        rows = [
            f"{i},{a},{b}"
            for i, (a, b) in enumerate(run.rows(prefix + "loss", prefix + "accuracy"), 1)
        ]
        written(tmp_path / f"{name}.csv", "\n".join(["epoch,loss,acc", *rows]))
    found = read(tmp_path)
    assert len(found.fits) == 1
    run.check(found.fits[0])


def test_folders_without_logs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="an empty folder"):
        read(tmp_path)
    written(tmp_path / "a.txt", "nothing")
    written(tmp_path / "b.csv", "x,y\n1,2\n")
    with pytest.raises(ReadError, match="none of its 2 files is a training log"):
        read(tmp_path)
    with pytest.raises(ReadError, match="no such file or folder"):
        read(tmp_path / "absent.csv")


@pytest.mark.parametrize("own_steps", [True, False])
def test_scalars_without_end_are_refused_at_once(tmp_path: Path, own_steps: bool) -> None:
    tags = [f"{split}loss{i}" for i in range(5001) for split in ("", "val_")]
    curves = {tag: [(i if own_steps else 1, 1.0)] for i, tag in enumerate(tags)}
    path = written(tmp_path / "events.out.tfevents.1", events(curves, tensors=False))
    start = time.process_time()
    with pytest.raises(ReadError, match="too large for a training log"):
        read(path)
    assert time.process_time() - start < 5
