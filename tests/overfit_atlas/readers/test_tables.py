"""Tables as text: separators, names, blanks, what is no row of an epoch."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from overfit_atlas.errors import ReadError
from overfit_atlas.readers import Read, read

Reading = Callable[..., Read]
ROLES = ("loss", "accuracy", "val_loss", "val_accuracy")


def csv(
    run: Any, header: str, epochs: range | None = range(1, 7), mark: str = ",", times: float = 1
) -> str:
    lines = [header]
    for i, row in enumerate(run.rows(*ROLES)):
        cells = [f"{x * (times if j in (1, 3) else 1):.6g}" for j, x in enumerate(row)]
        lines.append(mark.join(([str(epochs[i])] if epochs is not None else []) + cells))
    return "\n".join(lines) + "\n"


NAMES = [
    "epoch,loss,accuracy,val_loss,val_accuracy",
    "epoch,train_loss,train_acc,val_loss,val_acc",
    "Epoch,Train Loss,Train Accuracy,Valid Loss,Valid Accuracy",
    "epoch,trainLoss,trainAcc,valLoss,valAcc",
    "ep,Train_Loss,Train_Acc,Valid_Loss,Valid_Acc",
    "epoch,train/loss,train/acc_epoch,val/loss,val/acc",
    "epoch,loss/train,acc/train,loss/val,acc/val",
    "epoch,train_loss,train_top1,eval_loss,eval_top1",
    "epoch,training_loss,training_accuracy,validation_loss,validation_accuracy",
    "epoch,loss,binary_accuracy,val_loss,val_binary_accuracy",
    "epoch,loss,accuracy_3,val_loss,val_accuracy_3",
    "epoch,tr_loss,tr_acc,dev_loss,dev_acc",
    "epoch,trainloss,trainacc,valloss,valacc",
    "epoch,Training Loss,Training Acc@1,Validation Loss,Validation Acc@1",
    "Epoche,Verlust train,Genauigkeit train,Verlust val,Genauigkeit val",
    "轮次,训练损失,训练准确率,验证损失,验证准确率",
    "エポック,訓練損失,訓練精度,検証損失,検証精度",
    "# epoch,train_loss,train_acc,val_loss,val_acc",
    '"epoch","train_loss","train_acc","val_loss","val_acc"',
]


@pytest.mark.parametrize("header", NAMES)
def test_names_are_read_by_meaning(run: Any, read_text: Reading, header: str) -> None:
    found = read_text(csv(run, header))
    run.check(found.fits[0])
    assert len(found.fits) == 1


@pytest.mark.parametrize("mark", [";", "\t", "|", "  ", ", "])
def test_separators(run: Any, read_text: Reading, mark: str) -> None:
    header = mark.join(["epoch", "train_loss", "train_acc", "val_loss", "val_acc"])
    text = csv(run, header, mark=mark)
    text = "".join(f"| {line} |\n" for line in text.splitlines()) if mark == "|" else text
    run.check(read_text(text, "log.txt").fits[0])


def test_excel_with_decimal_commas_and_its_separator_line(run: Any, read_text: Reading) -> None:
    text = csv(run, "Epoche;loss;accuracy;val_loss;val_accuracy", mark=";").replace(".", ",")
    run.check(read_text("\ufeffsep=;\r\n" + text.replace("\n", "\r\n")).fits[0])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-32"])
def test_encodings(run: Any, read_text: Reading, encoding: str) -> None:
    text = csv(run, "epoch,loss,accuracy,val_loss,val_accuracy")
    run.check(read_text(text.encode(encoding)).fits[0])


def test_gbk_names(run: Any, read_text: Reading) -> None:
    text = csv(run, "轮次,训练损失,训练准确率,验证损失,验证准确率")
    run.check(read_text(text.encode("gbk")).fits[0])


@pytest.mark.parametrize(
    "header",
    [
        "epoch,loss,accuracy,val_loss,val_accuracy",
        "Epoch,Train Loss,Train Acc (%),Val Loss,Val Acc (%)",
    ],
)
def test_percentages(run: Any, read_text: Reading, header: str) -> None:
    found = read_text(csv(run, header, times=100))
    run.check(found.fits[0])
    assert "percent" in [note.key for note in found.notes]


def test_percent_signs_in_cells(run: Any, read_text: Reading) -> None:
    lines = ["epoch,loss,accuracy,val_loss,val_accuracy"]
    lines += [f"{i},{a},{b:.1%},{c},{d:.1%}" for i, (a, b, c, d) in enumerate(run.rows(*ROLES))]
    run.check(read_text("\n".join(lines)).fits[0], first_epoch=0)


def test_fractions_beside_percentages(run: Any, read_text: Reading) -> None:
    lines = ["epoch,loss,accuracy,val_loss,val_accuracy"]
    lines += [f"{i},{a},{b},{c},{100 * d}" for i, (a, b, c, d) in enumerate(run.rows(*ROLES))]
    run.check(read_text("\n".join(lines)).fits[0], first_epoch=0)


def test_an_accuracy_stuck_at_one_percent_stays_there(read_text: Reading) -> None:
    lines = ["epoch,train_loss,train_acc,val_loss,val_acc"]
    lines += [f"{i},{4.6 - i / 10},{1.1 + i},{4.6},{1.0}" for i in range(6)]
    fit = read_text("\n".join(lines)).fits[0]
    assert fit.val_accuracy is not None and fit.val_accuracy.tolist() == [0.01] * 6


@pytest.mark.parametrize(
    "names",
    [
        "train_err,val_err",
        "train_error_rate,valid_error_rate",
        "train_top1_error,val_top1_error",
    ],
)
def test_error_rates_become_accuracies(run: Any, read_text: Reading, names: str) -> None:
    train, held = names.split(",")
    lines = [f"epoch,train_loss,{train},val_loss,{held}"]
    lines += [f"{i},{a},{1 - b},{c},{1 - d}" for i, (a, b, c, d) in enumerate(run.rows(*ROLES), 1)]
    found = read_text("\n".join(lines))
    run.check(found.fits[0])
    assert "error_rate" in [note.key for note in found.notes]


def test_errors_of_a_regression_are_no_error_rates(read_text: Reading) -> None:
    lines = ["epoch,loss,error,val_loss,val_error"] + [
        f"{i},9,{7 - i / 2},8,{7 - i / 3}" for i in range(5)
    ]
    assert set(read_text("\n".join(lines)).fits[0].columns) == {"loss", "val_loss"}


def test_error_rates_in_percent(run: Any, read_text: Reading) -> None:
    lines = ["epoch,train_loss,train_err,test_loss,test_err"]
    lines += [
        f"{i},{a},{100 - 100 * b},{c},{100 - 100 * d}"
        for i, (a, b, c, d) in enumerate(run.rows(*run.curves))
    ]
    run.check(read_text("\n".join(lines)).fits[0], first_epoch=0)


def test_the_accuracy_of_the_only_output_that_has_one(run: Any, read_text: Reading) -> None:
    head = "epoch,loss,caps_acc,val_loss,val_caps_acc,caps_loss,recon_loss,val_caps_loss"
    lines = [head] + [
        f"{e},{a},{b},{c},{d},9,9,9"
        for e, (a, b, c, d) in enumerate(run.rows(*run.curves), start=1)
    ]
    run.check(read_text("\n".join(lines)).fits[0])
    two = [
        line + f",{other}" for line, other in zip(lines, ["val_digit_acc", *"123456"], strict=True)
    ]
    assert set(read_text("\n".join(two)).fits[0].columns) == {"loss", "val_loss"}


def test_a_header_of_two_lines_as_matlab_prints_it(run: Any, read_text: Reading) -> None:
    text = (
        "|=====================|\n"
        "|  Epoch  |  Iteration  |  Time Elapsed  |  Mini-batch  |  Validation  |  Mini-batch  |"
        "  Validation  |  Base Learning  |\n"
        "|         |             |   (hh:mm:ss)   |   Accuracy   |   Accuracy   |     Loss     |"
        "     Loss     |      Rate       |\n"
        "|=====================|\n"
    )
    text += "".join(
        f"| {e} | {30 * e} | 00:00:0{e} | {100 * b:.2f}% | {100 * d:.2f}% | {a} | {c} | 0.01 |\n"
        for e, (a, b, c, d) in enumerate(run.rows(*run.curves), start=1)
    )
    run.check(read_text(text, "log.txt").fits[0])


@pytest.mark.parametrize("order", [("split", "metric"), ("metric", "data")])
def test_a_long_table_with_split_and_metric(run: Any, read_text: Reading, order: Any) -> None:
    lines = [f"epoch,{order[0]},{order[1]},value"]
    for role, values in run.curves.items():
        split = "validation" if role.startswith("val_") else "training"
        pair = (split, role.removeprefix("val_"))
        pair = pair if order[0] == "split" else pair[::-1]
        lines += [f"{e},{pair[0]},{pair[1]},{x}" for e, x in enumerate(values, start=1)]
    run.check(read_text("\n".join(lines)).fits[0])


def test_blank_last_columns_without_marks_and_thresholds_in_names(
    run: Any, read_text: Reading
) -> None:
    head = "version,epoch,train_loss,train_accuracy,val_loss,val_accuracy,PCK@0.5,"
    head += "samples,batch,planned,best_epoch,notes"
    lines = [head] + [
        f"v1,{e},{a},{b},{c},{d},0.5,,,"
        for e, (a, b, c, d) in enumerate(run.rows(*run.curves), start=1)
    ]
    lines.append("v1,,,,,,,176,32,6,4,done")
    run.check(read_text("\n".join(lines)).fits[0])


def test_german_and_french_names(run: Any, read_text: Reading) -> None:
    german = (
        "Epoche;Trainingsverlust;Trainingsgenauigkeit;Validierungsverlust;Validierungsgenauigkeit"
    )
    french = (
        "époque;perte_entrainement;exactitude_entrainement;perte_validation;exactitude_validation"
    )
    for head in (german, french):
        lines = [head] + [
            f"{e};{';'.join(str(x) for x in row)}".replace(".", ",")
            for e, row in enumerate(run.rows(*run.curves), start=1)
        ]
        run.check(read_text("\n".join(lines)).fits[0])


def test_ray_tunes_mean_accuracy_is_validations(run: Any, read_text: Reading) -> None:
    roles = ("val_accuracy", "loss", "val_loss")
    lines = ["mean_accuracy,loss,val_loss,training_iteration,trial_id"]
    lines += [f"{a},{b},{c},{i},x_1" for i, (a, b, c) in enumerate(run.rows(*roles), start=1)]
    run.check(read_text("\n".join(lines), "progress.csv").fits[0], *roles)


def test_the_index_of_pandas_is_no_curve(run: Any, read_text: Reading) -> None:
    text = pd.DataFrame(run.curves).to_csv()
    run.check(read_text(text).fits[0], first_epoch=0)


def test_without_epochs_they_count_from_one(run: Any, read_text: Reading) -> None:
    run.check(read_text(pd.DataFrame(run.curves).to_csv(index=False)).fits[0])


def test_a_table_with_a_row_a_curve(run: Any, read_text: Reading) -> None:
    run.check(read_text(pd.DataFrame(run.curves).T.to_csv()).fits[0], first_epoch=0)


@pytest.mark.parametrize(
    "cells", ["1/6 2/6 3/6 4/6 5/6 6/6", "Epoch 1,Epoch 2,Epoch 3,Epoch 4,Epoch 5,Epoch 6"]
)
def test_epochs_with_words(run: Any, read_text: Reading, cells: str) -> None:
    epochs = cells.split("," if "," in cells else " ")
    lines = ["epoch,loss,accuracy,val_loss,val_accuracy"]
    lines += [
        ",".join([e, *map(str, row)]) for e, row in zip(epochs, run.rows(*ROLES), strict=True)
    ]
    run.check(read_text("\n".join(lines)).fits[0])


@pytest.mark.parametrize("blank", ["", "-", "None", "NaN", "No log", "null"])
def test_blank_in_every_other_row_is_validation_every_second_epoch(
    read_text: Reading, blank: str
) -> None:
    lines = ["epoch,train_loss,val_loss"]
    lines += [f"{i},{1 / i:.4f},{1.5 / i if i % 2 == 0 else blank}" for i in range(1, 10)]
    found = read_text("\n".join(lines))
    fit = found.fits[0]
    assert fit.num_logged == 9 and fit.not_finite_from is None
    assert fit.val_loss is not None and np.isfinite(fit.val_loss).tolist() == [
        i % 2 == 0 for i in range(1, 10)
    ]
    assert {"key": "validation_every_k", "k": 2} in found.as_json()["notes"]  # type: ignore[operator]


@pytest.mark.parametrize("lost", ["nan", "inf", "-inf", "NaN", "1e308", "9" * 400])
def test_a_loss_that_stops_being_finite_ends_the_fit_not_the_reading(
    read_text: Reading, lost: str
) -> None:
    lines = [
        "epoch,loss,accuracy,val_loss,val_accuracy",
        "0,1.0,.5,1.1,.5",
        "1,.8,.6,.9,.6",
        "2,.7,.7,.8,.7",
    ]
    lines += [f"{i},{lost},.1,{lost},.1" for i in (3, 4)]
    found = read_text("\n".join(lines))
    fit = found.fits[0]
    assert fit.not_finite_from == 3 and fit.num_logged == 5 and fit.epochs.tolist() == [0, 1, 2]
    assert fit.last == {"loss": 0.7, "accuracy": 0.1, "val_loss": 0.8, "val_accuracy": 0.1}
    assert "the loss is not finite from epoch 3 on" in found.said()


@pytest.mark.parametrize("before", ["", "nan"])
def test_the_only_validation_stays_though_it_came_after_training(
    read_text: Reading, before: str
) -> None:
    rows = [f"{epoch},{1 - epoch / 10},{before}" for epoch in range(1, 7)]
    text = "\n".join(["epoch,loss,val_loss", *rows, "7,,0.6"])
    fit = read_text(text).fits[0]
    assert len(fit.epochs) == 7
    assert fit.val_loss is not None and fit.val_loss[-1] == 0.6


def test_a_loss_that_never_was_finite_is_refused(read_text: Reading) -> None:
    with pytest.raises(ReadError, match="loss is not finite in any of its 2 epochs"):
        read_text("epoch,loss,val_loss\n0,nan,nan\n1,nan,nan\n")


def test_runs_appended_to_one_file(run: Any, read_text: Reading) -> None:
    one = csv(run, "epoch,loss,accuracy,val_loss,val_accuracy", range(6))
    found = read_text(one + "\n".join(one.splitlines()[1:4]) + "\n")
    assert [fit.num_logged for fit in found.fits] == [6, 3]
    run.check(found.fits[0], first_epoch=0)
    assert len({fit.model for fit in found.fits}) == 2 and {fit.seed for fit in found.fits} == {
        None
    }
    assert "restarts at rows 7" in found.said()


def test_a_header_again_begins_no_run_of_its_own_where_epochs_go_on(
    run: Any, read_text: Reading
) -> None:
    lines = csv(run, "epoch,loss,accuracy,val_loss,val_accuracy").splitlines()
    run.check(read_text("\n".join([*lines[:4], lines[0], *lines[4:]])).fits[0])


def test_a_header_again_with_restarted_epochs_begins_a_run(run: Any, read_text: Reading) -> None:
    one = csv(run, "epoch,loss,accuracy,val_loss,val_accuracy")
    assert [fit.num_logged for fit in read_text(one + one).fits] == [6, 6]


def test_a_resumed_run_takes_the_later_rows(run: Any, read_text: Reading) -> None:
    lines = csv(run, "epoch,loss,accuracy,val_loss,val_accuracy").splitlines()
    wrong = [line.replace(".", ".9", 1) for line in lines[4:6]]
    found = read_text("\n".join([*lines[:4], *wrong, *lines[4:]]))
    assert len(found.fits) == 1
    run.check(found.fits[0])
    assert "resumed at epoch 4" in found.said()


def test_a_run_with_other_columns_appended_is_refused(read_text: Reading) -> None:
    text = "epoch,loss,val_loss\n0,1,1\n1,.9,1\n0,1,0.001,1\n1,.8,0.001,.9\n"
    with pytest.raises(ReadError, match="row 4 has 4 values under 3 names"):
        read_text(text)


def test_rows_sorted_as_text_or_downwards_are_put_in_order(read_text: Reading) -> None:
    for order in (
        ["1", "10", "11", "2", "3", "4", "5", "6", "7", "8", "9"],
        [str(i) for i in range(11, 0, -1)],
    ):
        found = read_text(
            "\n".join(["epoch,loss,val_loss", *(f"{e},{1 / int(e)},{2 / int(e)}" for e in order)])
        )
        fit = found.fits[0]
        assert fit.epochs.tolist() == list(range(1, 12)) and fit.loss is not None
        np.testing.assert_allclose(fit.loss, 1 / np.arange(1, 12))


@pytest.mark.parametrize(
    "row",
    ["best,,,0.69,0.71", "mean,0.6,0.7,0.7,0.6", "final,0.33,0.89,0.78,0.695", ",,,0.69,0.71"],
)
def test_a_row_that_sums_up_is_left_out(run: Any, read_text: Reading, row: str) -> None:
    found = read_text(csv(run, "epoch,loss,accuracy,val_loss,val_accuracy") + row + "\n")
    run.check(found.fits[0])
    assert "rows that sum up" in found.said()


def test_a_last_row_cut_short_is_left_out(run: Any, read_text: Reading) -> None:
    run.check(read_text(csv(run, "epoch,loss,accuracy,val_loss,val_accuracy") + "7,0.3").fits[0])


@pytest.mark.parametrize(
    ("column", "seeded"), [("model", False), ("run", False), ("fold", True), ("seed", True)]
)
def test_a_column_tells_fits_apart(run: Any, read_text: Reading, column: str, seeded: bool) -> None:
    lines = [f"{column},epoch,loss,accuracy,val_loss,val_accuracy"]
    for i, row in enumerate(run.rows(*ROLES), 1):
        lines += [",".join([str(fold), str(i), *map(str, row)]) for fold in (1, 2)]
    found = read_text("\n".join(lines))
    assert len(found.fits) == 2
    for fit in found.fits:
        run.check(fit)
    assert len({fit.model for fit in found.fits}) == (1 if seeded else 2)
    assert [fit.seed for fit in found.fits] == ([1, 2] if seeded else [None, None])


def test_a_column_of_phases(run: Any, read_text: Reading) -> None:
    one = [
        line.split(",", 1)[1]
        for line in csv(
            run, "x,epoch,loss,accuracy,val_loss,val_accuracy", range(1, 7)
        ).splitlines()
    ]
    rows = csv(run, "", range(1, 7)).splitlines()[1:]
    text = "\n".join(
        ["phase," + one[0], *("head," + r for r in rows), *("fine_tune," + r for r in rows)]
    )
    found = read_text(text)
    assert [fit.phase for fit in found.fits] == ["head", "fine_tune"]
    assert len({fit.model for fit in found.fits}) == 1 and "phases: head, fine_tune" in found.said()


@pytest.mark.parametrize(
    "kinds", [("train", "val"), ("Train", "Valid"), ("training", "validation")]
)
def test_rows_of_training_and_validation(
    run: Any, read_text: Reading, kinds: tuple[str, str]
) -> None:
    lines = ["epoch,phase,loss,accuracy"]
    for i, (a, b, c, d) in enumerate(run.rows(*ROLES), 1):
        lines += [f"{i},{kinds[0]},{a},{b}", f"{i},{kinds[1]},{c},{d}"]
    run.check(read_text("\n".join(lines)).fits[0])


def test_rows_of_metric_and_value(run: Any, read_text: Reading) -> None:
    lines = ["epoch,metric,value"]
    lines += [
        f"{i + 1},{name},{values[i]}" for name, values in run.curves.items() for i in range(6)
    ]
    run.check(read_text("\n".join(lines)).fits[0])


def test_runs_side_by_side(run: Any, read_text: Reading) -> None:
    names = [f"{net}_{role}" for net in ("lenet", "resnet") for role in ROLES]
    lines = [",".join(["epoch", *names])]
    lines += [",".join(map(str, [i, *row, *row])) for i, row in enumerate(run.rows(*ROLES), 1)]
    found = read_text("\n".join(lines))
    assert [fit.model for fit in found.fits] == ["lenet", "resnet"]
    for fit in found.fits:
        run.check(fit)


def test_losses_of_outputs_are_not_the_loss(run: Any, read_text: Reading) -> None:
    lines = ["epoch,age_loss,loss,accuracy,val_age_loss,val_loss,val_accuracy"]
    lines += [f"{i},9,{a},{b},9,{c},{d}" for i, (a, b, c, d) in enumerate(run.rows(*ROLES), 1)]
    found = read_text("\n".join(lines))
    run.check(found.fits[0])
    assert found.not_used == ("age_loss", "val_age_loss")


def test_top_five_and_other_scores_are_no_accuracy(run: Any, read_text: Reading) -> None:
    lines = [
        "epoch,loss,top5_acc,accuracy,f1,val_loss,val_acc@5,val_accuracy,val_balanced_accuracy,val_auc"
    ]
    lines += [
        f"{i},{a},.99,{b},.4,{c},.98,{d},.3,.9"
        for i, (a, b, c, d) in enumerate(run.rows(*ROLES), 1)
    ]
    found = read_text("\n".join(lines))
    run.check(found.fits[0])
    assert found.not_used == ("top5_acc", "f1", "val_acc@5", "val_balanced_accuracy", "val_auc")


def test_a_regression_has_losses_alone(run: Any, read_text: Reading) -> None:
    lines = ["epoch,loss,mae,val_loss,val_mae"]
    lines += [f"{i},{a},.2,{b},.3" for i, (a, b) in enumerate(run.rows("loss", "val_loss"), 1)]
    run.check(read_text("\n".join(lines)).fits[0], "loss", "val_loss")


def test_test_takes_validations_place_only_where_there_is_none(
    run: Any, read_text: Reading
) -> None:
    found = read_text(csv(run, "epoch,train_loss,train_acc,test_loss,test_acc"))
    run.check(found.fits[0])
    assert "test takes the place of validation" in found.said()
    lines = ["epoch,loss,accuracy,val_loss,val_accuracy,test_loss"]
    lines += [",".join(map(str, [i, *row, 5.0])) for i, row in enumerate(run.rows(*ROLES), 1)]
    found = read_text("\n".join(lines))
    run.check(found.fits[0])
    assert found.not_used == ("test_loss",)


def test_an_accuracy_without_split_beside_losses_with_one_is_validations(
    run: Any, read_text: Reading
) -> None:
    lines = ["epoch,train_loss,val_loss,accuracy"]
    lines += [
        f"{i},{a},{c},{d}"
        for i, (a, c, d) in enumerate(run.rows("loss", "val_loss", "val_accuracy"), 1)
    ]
    found = read_text("\n".join(lines))
    run.check(found.fits[0], "loss", "val_loss", "val_accuracy")
    assert "accuracy is taken as validation's accuracy" in found.said()


def test_tensors_and_numpy_numbers_in_cells(run: Any, read_text: Reading) -> None:
    lines = ["epoch;train_loss;val_loss"]
    lines += [
        f"{i};tensor({a}, device='cuda:0');np.float32({c})"
        for i, (a, c) in enumerate(run.rows("loss", "val_loss"), 1)
    ]
    run.check(read_text("\n".join(lines)).fits[0], "loss", "val_loss")


def test_ten_thousand_epochs_are_read_within_a_second(read_text: Reading) -> None:
    import time

    stream = io.StringIO()
    values = np.random.default_rng(0).random((10_000, 6))
    pd.DataFrame(
        values, columns=["loss", "accuracy", "val_loss", "val_accuracy", "lr", "x"]
    ).to_csv(stream, index_label="epoch")
    start = time.process_time()
    fit = read_text(stream.getvalue()).fits[0]
    assert time.process_time() - start < 1.0
    assert fit.num_logged == 10_000 and fit.val_loss is not None
    np.testing.assert_allclose(fit.val_loss, values[:, 2])


REFUSED = [
    ("epoch,loss,accuracy\n0,1,.5\n1,.9,.6\n", "training scores only .*no validation loss"),
    (
        "epoch,train_loss,train_acc,test_acc\n1,1,.5,\n2,.9,.6,\n3,.8,.7,.69\n",
        "training scores only",
    ),
    ("1,0.5,0.6\n2,0.4,0.5\n3,0.3,0.5\n", "3 columns of numbers without names"),
    (
        "model,train_loss,val_loss,val_acc\na,.1,.2,.9\nb,.2,.3,.8\nc,.3,.2,.7\n",
        "its rows are runs, not epochs",
    ),
    (
        "epoch,val_loss,val_acc\n25,.1,.9\n29,.2,.8\n27,.3,.9\n31,.2,.9\n31,.2,.8\n28,.3,.8\n",
        "its rows are runs",
    ),
    ("loss,val_loss\n0.3,0.4\n", "one row"),
    (
        "epoch,train/box_loss,val/box_loss\n1,2,3\n2,1,2\n",
        "a table without a loss and an accuracy .*train/box_loss",
    ),
    (
        "true_class,total,correct,accuracy\ncat,3,2,0.67\ndog,3,1,0.33\n",
        "a table with accuracy but no epochs: its rows are final scores",
    ),
    ("epoch,train_loss,val_loss_a,val_loss_b\n1,2,3,3\n2,1,2,2\n", "several validation sets"),
    (
        "epoch,loss,val_loss\n1,2,3\n1,1,2\n2,2,2\n2,1,2\n3,1,1\n3,1,2\n4,1,2\n4,2,2\n",
        "no column tells",
    ),
]


@pytest.mark.parametrize(("text", "cause"), REFUSED)
def test_refusals_name_the_cause(read_text: Reading, text: str, cause: str) -> None:
    with pytest.raises(ReadError, match=cause) as refused:
        read_text(text)
    assert "\n" not in str(refused.value)


def test_data_frames(run: Any) -> None:
    run.check(read(pd.DataFrame(run.curves)).fits[0])


def test_a_number_too_large_for_an_epoch_is_none() -> None:
    rows = [{"epoch": 10.0**i, "loss": 1.0, "val_loss": 1.0} for i in range(26)]
    assert len(read(rows[:15]).fits[0].epochs) == 15
    with pytest.raises(ReadError, match="an epoch of the number 1e\\+25"):
        read(rows)


def test_a_table_of_thousands_of_columns_is_read_or_refused_for_its_size(tmp_path: Any) -> None:
    for more, said in ((6000, None), (12_000, "too large for a training log: 2 rows of 12003")):
        header = ["epoch", "loss", "val_loss", *(f"weight_{n}" for n in range(more))]
        rows = [[str(e), f"{1 / e:.3f}", f"{1.2 / e:.3f}", *["1"] * more] for e in (1, 2)]
        path = tmp_path / f"{more}.csv"
        path.write_text("\n".join(",".join(cells) for cells in (header, *rows)), encoding="utf-8")
        if said is None:
            assert set(read(path).fits[0].columns) == {"loss", "val_loss"}
        else:
            with pytest.raises(ReadError, match=said):
                read(path)
