"""Nested data: JSON of all shapes, printed Python, dicts, lists in text."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from overfit_atlas.errors import ReadError
from overfit_atlas.readers import Read, read

Reading = Callable[..., Read]
ROLES = ("loss", "accuracy", "val_loss", "val_accuracy")
PLAIN = {
    "loss": "train_loss",
    "accuracy": "train_acc",
    "val_loss": "val_loss",
    "val_accuracy": "val_acc",
}


def nested(run: Any) -> dict[str, Any]:
    c = run.curves
    return {
        "train": {"loss": c["loss"], "acc": c["accuracy"]},
        "val": {"loss": c["val_loss"], "acc": c["val_accuracy"]},
    }


def rows(run: Any, **more: object) -> list[dict[str, object]]:
    return [dict(zip(ROLES, row, strict=True), **more) for row in run.rows(*ROLES)]


def shapes(run: Any) -> dict[str, Any]:
    """The same run in every shape of JSON, all with epochs from 1."""
    c = run.curves
    by_quantity = {
        "loss": {"train": c["loss"], "val": c["val_loss"]},
        "acc": {"train": c["accuracy"], "val": c["val_accuracy"]},
    }
    return {
        "history": c,
        "with epochs and scalars": {
            "epoch": [1, 2, 3, 4, 5, 6],
            **c,
            "best_val_acc": 0.71,
            "lr": [0.1] * 6,
        },
        "in a wrapper": {"params": {"epochs": 6}, "history": c},
        "nested": nested(run),
        "by quantity": by_quantity,
        "rows": rows(run),
        "rows with epochs": [{"epoch": i, **row} for i, row in enumerate(rows(run), 1)],
        "nested rows": [
            {"epoch": i, "train": {"loss": a, "acc": b}, "val": {"loss": c_, "acc": d}}
            for i, (a, b, c_, d) in enumerate(run.rows(*ROLES), 1)
        ],
        "epochs as keys": {f"epoch_{i}": row for i, row in enumerate(rows(run), 1)},
        "numbers as keys": {str(i): row for i, row in enumerate(rows(run), 1)},
        "columns of a frame": json.loads(pd.DataFrame(c).to_json()),
        "split of a frame": json.loads(pd.DataFrame(c).to_json(orient="split")),
        "rows under a name": {"config": {"lr": 0.1}, "epochs": rows(run)},
        "lists of one number": [{k: [v] for k, v in row.items()} for row in rows(run)],
    }


@pytest.mark.parametrize(
    "shape", shapes(type("R", (), {"curves": {r: [0.0] for r in ROLES}, "rows": lambda *a: []}))
)
def test_json_of_every_shape(run: Any, read_text: Reading, shape: str) -> None:
    data = shapes(run)[shape]
    for text in (json.dumps(data), json.dumps(data, indent=2), str(data)):
        found = read_text(text, "history.json")
        assert len(found.fits) == 1
        run.check(found.fits[0])


def test_pandas_index_and_table_orients_keep_the_index(run: Any, read_text: Reading) -> None:
    frame = pd.DataFrame(run.curves)
    for orient in ("index", "table"):
        run.check(read_text(frame.to_json(orient=orient), "h.json").fits[0], first_epoch=0)


def test_lines_of_json_and_of_printed_dicts(run: Any, read_text: Reading) -> None:
    lines = [{"epoch": i, **row} for i, row in enumerate(rows(run), 1)]
    run.check(read_text("\n".join(map(json.dumps, lines)), "log.jsonl").fits[0])
    run.check(read_text("\n".join(map(str, lines)), "log.txt").fits[0])


def test_lines_with_a_mode(run: Any, read_text: Reading) -> None:
    lines = []
    for i, (a, b, c, d) in enumerate(run.rows(*ROLES), 1):
        lines += [
            {
                "mode": "train",
                "epoch": i,
                "iter": j,
                "lr": 0.1,
                "loss": a + s,
                "accuracy_top-1": 100 * b,
            }
            for j, s in ((50, 0.1), (100, -0.1))
        ]
        lines.append(
            {
                "mode": "val",
                "epoch": i,
                "loss": c,
                "accuracy_top-1": 100 * d,
                "accuracy_top-5": 99.0,
            }
        )
    run.check(read_text("\n".join(map(json.dumps, lines)), "log.json").fits[0])


PRINTED = {
    "numpy 2": lambda v: "[" + ", ".join(f"np.float32({x})" for x in v) + "]",
    "array": lambda v: f"array({v}, dtype=float32)",
    "tensors": lambda v: (
        "["
        + ", ".join(f"tensor({x}, device='cuda:0', grad_fn=<NllLossBackward0>)" for x in v)
        + "]"
    ),
    "tuple": lambda v: str(tuple(v)),
}


@pytest.mark.parametrize("kind", PRINTED)
@pytest.mark.parametrize(
    "around", ["{}", "history = {}", "defaultdict(<class 'list'>, {})", "OrderedDict({})"]
)
def test_printed_python(run: Any, read_text: Reading, kind: str, around: str) -> None:
    inside = (
        "{"
        + ", ".join(f"'{name}': {PRINTED[kind](values)}" for name, values in run.curves.items())
        + "}"
    )
    run.check(read_text(around.replace("{}", inside), "history.txt").fits[0])


def test_an_ordered_dict_printed_as_pairs(run: Any, read_text: Reading) -> None:
    run.check(read_text(f"OrderedDict({list(run.curves.items())})", "history.txt").fits[0])


def test_yaml_with_splits_above_the_names(run: Any, read_text: Reading) -> None:
    lines = []
    for split, prefix in (("training", ""), ("validation", "val_")):
        lines.append(f"{split}:")
        lines += [f"  {name}: {run.curves[prefix + name]}" for name in ("loss", "accuracy")]
    run.check(read_text("\n".join(lines), "history.yaml").fits[0])


def test_a_history_of_skorch_with_its_batches(run: Any, read_text: Reading) -> None:
    roles = ("loss", "val_loss", "val_accuracy")
    data = [
        {
            "batches": [{"train_loss": 9.0, "train_batch_size": 8}, {"valid_loss": 9.0}],
            "epoch": e,
            "train_loss": a,
            "train_loss_best": True,
            "valid_loss": c,
            "valid_acc": d,
        }
        for e, (a, c, d) in enumerate(run.rows(*roles), start=1)
    ]
    run.check(read_text(json.dumps(data), "history.json").fits[0], *roles)


def test_lists_as_yaml_and_as_pasted(run: Any, read_text: Reading) -> None:
    text = "".join(
        f"{name}:\n" + "".join(f"- {x}\n" for x in values) for name, values in run.curves.items()
    )
    run.check(read_text(text, "history.yaml").fits[0])
    run.check(
        read_text(
            "".join(f"{PLAIN[n]} = {v}\n" for n, v in run.curves.items()), "history.txt"
        ).fits[0]
    )


@pytest.mark.parametrize(
    ("key", "seeded"), [("fold_{}", True), ("Fold {}", True), ("seed{}", True), ("model_{}", False)]
)
def test_a_dict_of_folds_is_one_model_with_seeds(
    run: Any, read_text: Reading, key: str, seeded: bool
) -> None:
    data = {key.format(i): run.curves for i in (1, 2, 3)}
    for found in (read_text(json.dumps(data), "cv.json"), read(data)):
        assert len(found.fits) == 3
        for fit in found.fits:
            run.check(fit)
        assert len({fit.model for fit in found.fits}) == (1 if seeded else 3)
        assert [fit.seed for fit in found.fits] == ([1, 2, 3] if seeded else [None] * 3)


def test_models_by_name_and_folds_within(run: Any) -> None:
    found = read(
        {"resnet": {"fold_1": nested(run), "fold_2": nested(run)}, "vgg": {"history": run.curves}}
    )
    assert [(fit.model, fit.seed) for fit in found.fits] == [
        ("resnet", 1),
        ("resnet", 2),
        ("vgg", None),
    ]
    for fit in found.fits:
        run.check(fit)


def test_phases_of_other_lengths_in_one_dict(run: Any) -> None:
    data = {
        **run.curves,
        **{f"fine_tune_{name}": values[:4] for name, values in run.curves.items()},
        "test_loss": 0.3,
    }
    found = read(data)
    assert [(fit.phase, fit.num_logged) for fit in found.fits] == [(None, 6), ("fine_tune", 4)]
    assert len({fit.model for fit in found.fits}) == 1 and found.not_used == ("test_loss",)
    assert "one training in phases: first, fine_tune" in found.said()


def test_validation_every_second_epoch_has_half_the_values(run: Any) -> None:
    fit = read({"loss": [1 / i for i in range(1, 11)], "val_loss": [9, 8, 7, 6, 5]}).fits[0]
    assert fit.val_loss is not None
    np.testing.assert_array_equal(
        fit.val_loss, [np.nan, 9, np.nan, 8, np.nan, 7, np.nan, 6, np.nan, 5]
    )


def test_losses_of_every_batch_are_averaged(run: Any) -> None:
    batches = [x + s for x in run.curves["loss"] for s in (-0.2, 0.2) * 25]
    data = {
        "train_losses": batches,
        "train_acc": run.curves["accuracy"],
        "val_losses": run.curves["val_loss"],
        "val_acc": run.curves["val_accuracy"],
    }
    found = read(data)
    run.check(found.fits[0])
    assert "averaged over the steps" in found.said()


def test_a_run_broken_off_before_its_last_validation(run: Any) -> None:
    fit = read(
        {
            **run.curves,
            "loss": [*run.curves["loss"], 0.3],
            "accuracy": [*run.curves["accuracy"], 0.9],
        }
    ).fits[0]
    assert fit.num_logged == 7 and fit.last["val_loss"] == 0.78 and fit.last["loss"] == 0.3


def test_lengths_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ReadError, match="val_loss has 7 values, loss has 10"):
        read({"loss": [1.0] * 10, "val_loss": [1.0] * 7})


def test_null_for_nan_at_the_end_ends_the_fit(run: Any, read_text: Reading) -> None:
    data = {
        "loss": [1.0, 0.9, None, None],
        "accuracy": [0.5, 0.6, 0.1, 0.1],
        "val_loss": [1.0, 0.9, None, None],
        "val_accuracy": [0.5, 0.6, 0.1, 0.1],
    }
    fit = read_text(json.dumps(data), "h.json").fits[0]
    assert fit.not_finite_from == 3 and fit.epochs.tolist() == [1, 2] and fit.num_logged == 4


def test_keras_history_and_arrays(run: Any) -> None:
    class History:
        history = {name: np.array(values) for name, values in run.curves.items()}
        epoch = [0, 1, 2, 3, 4, 5]

    run.check(read(History()).fits[0], first_epoch=0)
    run.check(read({name: np.array(values) for name, values in run.curves.items()}).fits[0])


def test_several_sources_are_models_unless_they_are_seeds(run: Any) -> None:
    found = read(run.curves, run.curves)
    assert len({fit.model for fit in found.fits}) == 2 and "--seeds" in found.said()
    found = read(run.curves, run.curves, seeds=True)
    assert [(fit.model, fit.seed) for fit in found.fits] == [("history", 1), ("history", 2)]


REFUSED = [
    ('{"trial_id": "0", "hyperparameters": {}, "score": 0.5}', "a trial of Keras Tuner"),
    ("[[0.5, 0.6], [0.4, 0.5]]", "2 lists of 2 values without names"),
    ('{"val_loss": 0.3, "val_accuracy": 0.9}', "single values and no curves"),
    ('{"loss": [1, 2], "accuracy": [0.1, 0.2]}', "training scores only"),
    ('{"x": [1, 2], "y": [1, 2]}', "no loss and no accuracy among x, y"),
    ('"just text"', "no table, JSON or console text"),
    ("[" * 10_000 + "]" * 10_000, "deep|no table"),
    ('{"a":' * 5000 + "1" + "}" * 5000, "deep|no table"),
]


@pytest.mark.parametrize(("text", "cause"), REFUSED, ids=range(len(REFUSED)))
def test_refusals_name_the_cause(read_text: Reading, text: str, cause: str) -> None:
    with pytest.raises(ReadError, match=cause):
        read_text(text, "h.json")


def test_what_is_no_log_at_all() -> None:
    with pytest.raises(ReadError, match="a int is no log"):
        read(5)
    with pytest.raises(ReadError, match="nothing to read"):
        read()
