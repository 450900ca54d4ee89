"""Printed progress: of Keras, of Lightning, and of loops as people write them."""

# ruff: noqa: E501 (lines of logs as they are)

import json
import pprint
from collections.abc import Callable
from typing import Any

import pytest

from overfit_atlas.errors import ReadError
from overfit_atlas.readers import Read

Reading = Callable[..., Read]
ROLES = ("loss", "accuracy", "val_loss", "val_accuracy")

LINES = {
    "keras 3": "Epoch {e}/6\n44/45 ━━━━━━━━━━ 0s 50ms/step - accuracy: 0.1 - loss: 9.9\n\x1b[1m45/45\x1b[0m \x1b[32m━━━━━\x1b[0m 3s 67ms/step - accuracy: {b} - loss: {a} - val_accuracy: {d} - val_loss: {c} - learning_rate: 0.0010\n",
    "keras 2": "Epoch {e}/6\n  1/45 [>.....] - ETA: 5:30 - loss: 9.9 - acc: 0.1\x08\x08\x08\x0845/45 [======] - 13s 29ms/step - loss: {a} - acc: {b} - val_loss: {c} - val_acc: {d}\n\nEpoch 0000{e}: val_loss improved from inf to 0.1, saving model to best.h5\n",
    "keras verbose 2": "Epoch {e}/6\n45/45 - 3s - 67ms/step - accuracy: {b} - loss: {a} - val_accuracy: {d} - val_loss: {c}\nEpoch {e}: ReduceLROnPlateau reducing learning rate to 0.0005.\n",
    "one line": "Epoch: {e}/6, Train Loss: {a}, Train Acc: {b}, Val Loss: {c}, Val Acc: {d}\n",
    "bars": "Epoch {e} | train loss {a} | train acc {b} | val loss {c} | val acc {d} | time 12.3s | lr 0.001\n",
    "bracket": "[Epoch {e}/6] loss={a} acc={b} val_loss={c} val_acc={d}\n",
    "logged": "2025-06-14 22:57:21,314 - train.py:12 - INFO - Epoch [{e}/6] train_loss: {a} train_acc: {b} valid_loss: {c} valid_acc: {d}\n",
    "torchvision": "Epoch {e}/6\n----------\ntrain Loss: {a} Acc: {b}\nval Loss: {c} Acc: {d}\n\n",
    "dict": "epoch {e}: {{'train_loss': {a}, 'train_acc': {b}, 'val_loss': {c}, 'val_acc': {d}}}\n",
    "tutorial": "EPOCH {e}:\nLOSS train {a} valid {c}\nACC train {b} valid {d}\n",
    "mnist": "Train Epoch: {e} [0/60000 (0%)]\tLoss: {lo}\nTrain Epoch: {e} [640/60000 (1%)]\tLoss: {hi}\nTrain set: Accuracy: {b}\n\nTest set: Average loss: {c}, Accuracy: {k}/10000 ({p}%)\n\n",
    "steps": "Epoch [{e}/6], Step [100/200], Loss: {lo}, Accuracy: {b}\nEpoch [{e}/6], Step [200/200], Loss: {hi}, Accuracy: {b}\nEpoch [{e}/6] validation loss: {c} validation accuracy: {d}\n",
    "percent": "Epoch {e}: Train loss {a:.4f}, Train acc {b:.2%}; Validation loss {c:.4f}, Validation acc {d:.2%}\n",
    "imagenet": "Epoch: [{e}][ 0/45]\tTime  0.1 ( 0.1)\tLoss 9.9e+00 (9.9e+00)\tAcc@1   1.0 (  1.0)\tAcc@5   9.0 (  9.0)\nEpoch: [{e}][44/45]\tTime  0.1 ( 0.1)\tLoss 9.9e+00 ({a}e+00)\tAcc@1   1.0 (  {q})\tAcc@5   9.0 (  99.0)\nTest: [44/45]\tTime 0.1 (0.1)\tLoss 9.9 ({c})\tAcc@1 1.0 ({p})\tAcc@5 9.0 (99.5)\n * Acc@1 {p} Acc@5 99.500\n",
    "tqdm": "Epoch {e}:  50%|#####     | 20/45 [00:01<00:01, 20.1it/s, train_loss=9.9]\rEpoch {e}: 100%|##########| 45/45 [00:02<00:00, 20.1it/s, v_num=0, train_loss={a}, train_acc={b}, val_loss={c}, val_acc={d}]\n",
    "two bars": "\nEpoch: {e}\n 45/45 [=====>] Step: 50ms | Tot: 19s | Loss: {a} | Acc: {q}% (21900/50000)\n 12/12 [=====>] Step: 20ms | Tot: 2s | Loss: {c} | Acc: {p}% (5500/10000)\n",
    "at the end": "Train Loss: {a} Train Acc: {b}\nVal Loss: {c} Val Acc: {d}\nEpoch {e} finished in 12.5s\n",
    "chinese": "轮次: {e} 训练损失: {a} 训练准确率: {b} 验证损失: {c} 验证准确率: {d}\n",
    "tabs": "Epoch: {e}\tTrain Loss: {a}\tTrain Accuracy: {b}\tTest Loss: {c}\tTest Accuracy: {d}\n",
    "reference": "Epoch: [{e}]  [ 0/45]  eta: 0:02:11  lr: 0.1  loss: 9.9 (9.9)  acc1: 1.0 (1.0)  acc5: 90.0 (90.1)\nEpoch: [{e}]  [44/45]  eta: 0:00:01  lr: 0.1  loss: 9.9 ({a})  acc1: 1.0 ({q})  acc5: 90.0 (90.1)\nEpoch: [{e}] Total time: 0:01:11\nTest:   [44/45]  eta: 0:00:31  loss: 9.9 ({c})  acc1: 5.0 (5.0)  acc5: 90.0 (90.0)\nTest:  Total time: 0:00:05\nTest:  Acc@1 {p} Acc@5 99.0\n",
    "bar and summary": "  Epoch {e:03d} [Train]: 100%|####| 45/45 [00:02<00:00, 20.1it/s, acc=1.0%, loss=9.9]\n2025-06-14 22:57:21 | INFO | Epoch {e:03d}/006 | TrainLoss={a} TrainAcc={q}% | ValLoss={c} ValAcc={p}%\n",
    "template": "2021-08-06 11:06:48,936 - trainer - DEBUG - Train Epoch: {e} [0/60000 (0%)] Loss: 9.9\n2021-08-06 11:06:48,936 - trainer - INFO -     epoch          : {e}\n2021-08-06 11:06:48,936 - trainer - INFO -     loss           : {a}\n2021-08-06 11:06:48,936 - trainer - INFO -     accuracy       : {b}\n2021-08-06 11:06:48,936 - trainer - INFO -     val_loss       : {c}\n2021-08-06 11:06:48,936 - trainer - INFO -     val_accuracy   : {d}\n",
    "tensors": "#### Epoch {e}/6\ntrain loss: {a}, acc: tensor({b}, device='cuda:0', dtype=torch.float64)<br>\nval loss: {c}, acc: tensor({d}, device='cuda:0')<br>\n\n",
    "titled": "Epoch {e}\n-------------\ntraining loss: {a}\ntraining accuracy: {q}%\nTest Error: \n Accuracy: {p}%, Avg loss: {c} \n\n",
    "portuguese": "Época {e}/6 - Perda treino: {a} - Acurácia treino: {b} - Perda validação: {c} - Acurácia validação: {d}\n",
    "korean": "에폭 {e}/6 훈련 손실: {a} 훈련 정확도: {b} 검증 손실: {c} 검증 정확도: {d}\n",
    "russian": "Эпоха {e}/6: потери обучения {a}, точность обучения {b}, потери валидации {c}, точность валидации {d}\n",
    "correct": "Epoch [{e}/6], training loss: {a}, training correct rate: {b}\n valid loss: {c} valid correct percent : {p}\n",
    "top": "Epoch {e}: train loss {a} train top-1 acc {b} train top-5 acc 0.99 val loss {c} val top-1 acc {d} val top-5 acc 0.98\n",
}


def printed(run: Any, line: str, numbers: range = range(1, 7)) -> str:
    text = "Using device: cuda:0\nFound 2870 images belonging to 7 classes.\nFound 717 images belonging to 7 classes.\nepochs: 6, batch size: 32\n"
    for e, (a, b, c, d) in zip(numbers, run.rows(*ROLES), strict=True):
        text += line.format(
            e=e,
            a=a,
            b=b,
            c=c,
            d=d,
            lo=round(a - 0.1, 4),
            hi=round(a + 0.1, 4),
            k=round(d * 10_000),
            p=round(100 * d, 2),
            q=round(100 * b, 2),
        )
    return text


@pytest.mark.parametrize("kind", LINES)
def test_printed_lines(run: Any, read_text: Reading, kind: str) -> None:
    found = read_text(printed(run, LINES[kind]), "train.log")
    assert len(found.fits) == 1
    run.check(found.fits[0])


def test_what_is_printed_after_training_is_no_epoch(run: Any, read_text: Reading) -> None:
    after = "Restoring model weights from the end of the best epoch: 4.\nBest val acc: 0.9\n"
    after += "12/12 ━━━━━ 1s 2ms/step - accuracy: 0.1111 - loss: 7.7\nTest loss: 8.8\nTest accuracy: 0.2222\n"
    for kind in ("keras 3", "torchvision", "one line", "tabs"):
        run.check(read_text(printed(run, LINES[kind]) + after, "train.log").fits[0])


def test_an_epoch_cut_off_by_the_end_is_none(run: Any, read_text: Reading) -> None:
    cut = "Epoch 7/9\n 3/45 ━━━━━━━━━━ 0s 50ms/step - accuracy: 0.1 - loss: 9.9\n"
    run.check(read_text(printed(run, LINES["keras 3"]) + cut, "train.txt").fits[0])


def test_classes_and_validation_images_of_keras_loaders(run: Any, read_text: Reading) -> None:
    fit = read_text(printed(run, LINES["keras 3"]), "train.txt").fits[0]
    assert (fit.num_classes, fit.num_val_images) == (7, 717)


def test_two_fits_printed_one_after_the_other(run: Any, read_text: Reading) -> None:
    found = read_text(printed(run, LINES["one line"]) * 2, "train.txt")
    assert len(found.fits) == 2
    for fit in found.fits:
        run.check(fit)


def test_epochs_from_zero_and_lines_without_epochs(run: Any, read_text: Reading) -> None:
    found = read_text(printed(run, LINES["one line"], range(6)), "train.txt")
    run.check(found.fits[0], first_epoch=0)
    bare = "train_loss: {a} train_acc: {b} val_loss: {c} val_acc: {d}\n"
    run.check(read_text(printed(run, bare), "train.txt").fits[0])


def test_an_accuracy_in_few_epochs_is_validations(read_text: Reading) -> None:
    lines = [
        f"Epoch {i:02d} loss {9 / i:.4f} | train 3.2s"
        + (f" | Acc {40 + i}.5% | infer 5.5s" if i % 5 == 0 else "")
        for i in range(1, 21)
    ]
    fit = read_text("\n".join(lines), "notes.md").fits[0]
    assert set(fit.columns) == {"loss", "val_accuracy"} and fit.num_logged == 20
    assert fit.last == {"loss": 0.45, "val_accuracy": pytest.approx(0.605)}


def test_a_notebook_is_read_by_its_outputs(run: Any, read_text: Reading) -> None:
    cells = [
        {
            "cell_type": "code",
            "outputs": [
                {
                    "output_type": "stream",
                    "text": printed(run, LINES["keras 3"]).splitlines(keepends=True),
                }
            ],
        }
    ]
    found = read_text(json.dumps({"cells": cells, "nbformat": 4}), "train.ipynb")
    run.check(found.fits[0])
    assert found.format == "notebook"


def notebook(*outputs: dict[str, Any]) -> str:
    return json.dumps({"cells": [{"cell_type": "code", "outputs": outputs}], "nbformat": 4})


def html(header: list[str], rows: list[Any]) -> dict[str, Any]:
    lines = [f"<tr>{''.join(f'<td>{x}</td>' for x in row)}</tr>\n" for row in rows]
    head = "".join(f"<th>{name}</th>\n" for name in header)
    table = f'<table border="1"><thead><tr style="x">{head}</tr></thead><tbody>{"".join(lines)}'
    return {
        "output_type": "display_data",
        "data": {"text/html": [table + "</tbody></table><p>"], "text/plain": ["<HTML object>"]},
    }


def test_a_history_that_a_notebook_or_a_log_prints(run: Any, read_text: Reading) -> None:
    printed_dict = pprint.pformat(dict(run.curves), width=20)
    shown = {"output_type": "execute_result", "data": {"text/plain": printed_dict}}
    found = read_text(notebook({"text": "Model compiled\n"}, shown), "train.ipynb")
    run.check(found.fits[0])
    found = read_text(f"device: cuda\n{dict(run.curves)}\nTest accuracy: 0.1234\n", "out.txt")
    run.check(found.fits[0])
    grown = "".join(
        f"{ {role: values[:e] for role, values in run.curves.items()} }\n" for e in range(2, 7)
    )
    assert len(read_text("start\n" + grown, "out.txt").fits) == 1
    both = printed(run, LINES["one line"]) + printed_dict
    run.check(read_text(both, "out.txt").fits[0])


def test_tables_that_a_notebook_shows(run: Any, read_text: Reading) -> None:
    roles = ("loss", "val_loss", "val_accuracy")
    numbered = [(i, *row) for i, row in enumerate(run.rows(*roles), start=1)]
    trainer = html(["Epoch", "Training Loss", "Validation Loss", "Accuracy"], numbered)
    found = read_text(notebook({"text": "Some weights were new\n"}, trainer), "a.ipynb")
    run.check(found.fits[0], *roles)
    assert found.format == "notebook"
    fastai = html(
        ["epoch", "train_loss", "valid_loss", "accuracy", "time"],
        [(i - 1, *row, "00:12") for i, *row in numbered],
    )
    run.check(read_text(notebook(fastai), "a.ipynb").fits[0], *roles, first_epoch=0)
    other = html(["class", "accuracy"], [("cat", 0.9), ("dog", 0.8)])
    with pytest.raises(ReadError, match="whose outputs hold no loss"):
        read_text(notebook(other), "a.ipynb")


def test_two_lines_an_epoch_without_its_number(run: Any, read_text: Reading) -> None:
    lines = "\tTrain Loss: {a} | Train Acc: {q}%\n\t Val. Loss: {c} |  Val. Acc: {p}%\n"
    run.check(read_text(printed(run, lines), "train.txt").fits[0])


def test_final_scores_of_several_models_are_no_epochs(read_text: Reading) -> None:
    scores = "".join(
        f"{model}\nTrain accuracy: 0.9{i}\nTest accuracy: 0.8{i}\n"
        for i, model in enumerate(("HOG + SVM", "HOG + KNN", "Forest", "Boosting"))
    )
    with pytest.raises(ReadError, match=r"scores without epochs \(4 of .* final scores"):
        read_text(scores, "scores.txt")


def test_a_run_without_validation_is_left_out(run: Any, read_text: Reading) -> None:
    first = "".join(f"Epoch {e}: train_loss={9 - e}, train_acc=0.1\n" for e in range(1, 5))
    line = "Epoch {e}: train_loss={a}, train_acc={b}, val_loss={c}, val_acc={d}\n"
    found = read_text(first + printed(run, line), "out.txt")
    assert len(found.fits) == 1 and "run 1 has no validation" in found.said()
    run.check(found.fits[0])


def test_tables_printed_by_fastai_and_skorch(run: Any, read_text: Reading) -> None:
    head = "epoch     train_loss  valid_loss  accuracy  time    \n"
    text = head + "".join(
        f"{i}         {a:.6f}    {c:.6f}    {d:.6f}  00:1{i}   \n"
        for i, (a, c, d) in enumerate(run.rows("loss", "val_loss", "val_accuracy"))
    )
    run.check(read_text(text, "out.txt").fits[0], "loss", "val_loss", "val_accuracy", first_epoch=0)
    text = "  epoch    train_loss    valid_acc    valid_loss     dur\n-------  ------------  -----------  ------------  ------\n"
    text += "".join(
        f"      {i}        \x1b[36m{a}\x1b[0m       \x1b[32m{d}\x1b[0m        \x1b[35m{c}\x1b[0m  1.1{i}\n"
        for i, (a, c, d) in enumerate(run.rows("loss", "val_loss", "val_accuracy"), 1)
    )
    run.check(read_text(text, "out.txt").fits[0], "loss", "val_loss", "val_accuracy")


def test_a_loop_without_validation_is_refused(read_text: Reading) -> None:
    with pytest.raises(ReadError, match="training scores only"):
        read_text(
            "".join(f"[{i}, 2000] loss: {2 / i}\nEpoch {i} loss: {1 / i}\n" for i in range(1, 5)),
            "a.log",
        )
    with pytest.raises(ReadError, match="no table, JSON or console text"):
        read_text("hello world\nnothing here 12\n", "a.txt")
